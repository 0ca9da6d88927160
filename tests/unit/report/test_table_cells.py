"""Cells: values with their error, their label and their parts."""

from dataclasses import replace

from deft_sweeps.findings import choose
from deft_sweeps.report.table_cells import (
    MeasuredRow,
    change_text,
    density_text,
    interval_text,
    metric_cells,
    score_text,
    skipped_text,
)
from deft_sweeps.result import DensityReading, Score, SkippedBlocks
from tests.made_sweep import cost, sweep_results, sweep_spec
from tests.samples import point

RESULTS = sweep_results()
SPEC = sweep_spec()
CHOICE = choose(RESULTS, SPEC.objectives, SPEC.limits, SPEC.choose)


def test_labels_that_differ_stay_in_the_cells() -> None:
    costs = [cost(), replace(cost(), label="measured")]
    rows = [*(MeasuredRow.of(point(), of) for of in costs), MeasuredRow.of(None, None)]
    heads, cells = metric_cells(rows)
    assert heads[-3:] == (">weights", ">peak memory", ">latency")
    assert [row[-1] for row in cells] == ["34 ms proxy", "34 ms measured", "–"]


def test_cells() -> None:
    assert density_text(DensityReading(encoder_blocks=(0.2,), decoder_blocks=())) == "0.200"
    assert (
        density_text(DensityReading(encoder_blocks=(0.0,), decoder_blocks=(0.0004,)))
        == "2.0e-04 (0.000 / 4.0e-04)"
    )
    sure = Score(metric="accuracy", value=0.99, n_examples=10, standard_error=0.03)
    assert score_text(sure) == "0.990 ± 0.030"
    assert interval_text(sure) == "0.931 to 1.000"


def test_removed_blocks_are_told_and_the_kept_ones_have_their_mean() -> None:
    skipped = SkippedBlocks(encoder=(1,), decoder=(0, 2))
    density = DensityReading(
        encoder_blocks=(0.2, 0.0), decoder_blocks=(0.0, 0.4, 0.0), skipped=skipped
    )
    assert density_text(density) == "0.120 (0.100 / 0.133); kept blocks 0.300"
    assert skipped_text(skipped) == "encoder 2; decoder 1, 3"
    assert skipped_text(SkippedBlocks(decoder=(4,))) == "decoder 5"


def test_density_change_is_told_overall_and_by_stack() -> None:
    plain = DensityReading(encoder_blocks=(0.5, 0.3), decoder_blocks=(0.2, 0.2))
    deft = DensityReading(encoder_blocks=(0.4, 0.2), decoder_blocks=(0.05, 0.05))
    assert change_text(deft, plain) == "0.417 (0.250 / 0.750)"
    single = DensityReading(encoder_blocks=(0.5,), decoder_blocks=())
    assert change_text(replace(single, encoder_blocks=(0.25,)), single) == "0.500"
