"""Tables: the same rows for terminal, pipe and page, each figure with what it is."""

import io
from dataclasses import replace

from rich.console import Console

from deft_sweeps.findings import choose
from deft_sweeps.findings.equal_density import equal_density_gains
from deft_sweeps.report.report_table import ReportTable, Row, as_rich, as_text
from deft_sweeps.report.table_cells import (
    MeasuredRow,
    change_text,
    density_text,
    interval_text,
    metric_cells,
    score_text,
    skipped_text,
)
from deft_sweeps.report.tables import (
    equal_density_table,
    finals_table,
    front_table,
    lost_table,
    sparsity_table,
    steps_table,
    summary,
    trials_table,
)
from deft_sweeps.result import DensityReading, Score, SkippedBlocks
from tests.made_sweep import cost, sweep_finals, sweep_results, sweep_spec
from tests.samples import complete, point

RESULTS = sweep_results()
SPEC = sweep_spec()
CHOICE = choose(RESULTS, SPEC.objectives, SPEC.limits, SPEC.choose)


def test_the_front_shows_score_with_error_and_both_stacks() -> None:
    table = front_table(CHOICE.front, CHOICE)
    assert len(table.rows) == len(CHOICE.front.members)
    (chosen,) = [row for row in table.rows if row.mark == "chosen"]
    assert {"0.790 ± 0.017", "0.077 (0.140 / 0.014)", "147.8 MiB"} <= set(chosen.cells)
    assert "accuracy on 600 validation examples, measured" in table.note
    assert ">latency, proxy" in table.columns


def test_the_density_while_writing_has_a_column_where_there_is_one() -> None:
    assert ">density while writing" not in front_table(CHOICE.front).columns
    written = DensityReading(encoder_blocks=(0.5,), decoder_blocks=(0.1, 0.3))
    first, *others = CHOICE.front.members
    with_written = replace(first, values={**first.values, "written_density": written.overall})
    table = front_table(replace(CHOICE.front, members=(with_written, *others)))
    column = table.columns.index(">density while writing")
    assert [row.cells[column] for row in table.rows] == ["0.300", *("–" for _ in others)]


def test_every_trial_is_listed_failed_ones_with_the_reason() -> None:
    table = trials_table(RESULTS, 0.01)
    assert [row.cells[0] for row in table.rows] == [result.trial_id for result in RESULTS]
    (failed,) = [row for row in table.rows if row.mark == "failed"]
    assert failed.cells[1] == "failed"
    assert "not finite at step 17" in failed.cells[-1]
    assert summary(RESULTS) == "10 trials (8 complete, 1 failed, 1 stopped), 40 measured points"


def test_gains_are_shown_whichever_way_they_fall() -> None:
    gains = equal_density_gains(RESULTS)
    table = equal_density_table(gains, None)
    assert len(table.rows) == len(gains)
    texts = [row.cells[-2] for row in table.rows]
    assert any(text.startswith("+") for text in texts)
    assert any(text.startswith("-") for text in texts)
    remarks = [row.cells[-1] for row in table.rows if row.cells[-2] == "–"]
    assert remarks
    assert all("outside the plain trial's densities" in remark for remark in remarks)


def test_finals_are_paired_with_the_chosen_one() -> None:
    table = finals_table(sweep_finals(), None)
    assert [row.cells[0] for row in table.rows] == ["chosen", "baseline", "twin"]
    assert table.rows[1].cells[-2].startswith("-0.015 [")
    assert "2000 test examples" in table.note
    assert ">latency, measured" in table.columns
    assert finals_table((), None).rows == ()


def test_every_other_member_has_its_reason_and_every_step_its_price() -> None:
    n = len(CHOICE.front.members)
    assert len(lost_table(CHOICE).rows) == n - 1
    assert all(row.cells[-1] for row in lost_table(CHOICE).rows)
    steps = steps_table(CHOICE.front).rows
    assert len(steps) == n - 1
    assert all("score" in row.cells[2] and "activation_density" in row.cells[3] for row in steps)


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


def test_a_pipe_gets_plain_text_and_nothing_is_cut() -> None:
    hostile = "[red]x[/red] " + "long " * 60
    table = ReportTable(
        "Title", ("name", ">n"), (Row((hostile, "1")), Row(("b", "23"), "chosen")), "note"
    )
    lines = as_text(table).splitlines()
    assert lines[0] == "Title"
    assert lines[-1] == "note"
    assert lines[2].startswith("[red]x[/red] long")
    assert lines[2].endswith("   1")
    assert lines[3].endswith("  23")
    assert len(lines[2]) == len(lines[3])


def test_a_terminal_gets_a_table_that_takes_brackets_as_they_are() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", width=60)
    console.print(as_rich(ReportTable("Title", ("name",), (Row(("[red]x[/red]",), "failed"),))))
    assert "[red]x[/red]" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


def test_weight_sparsity_is_told_by_kind_of_layer_of_pruned_trials_only() -> None:
    assert sparsity_table(RESULTS).rows == ()
    shares = {"encoder.block.0.q": 0.5, "encoder.block.1.q": 0.25, "decoder.block.0.wo": 0.75}
    table = sparsity_table((replace(complete(RESULTS[0]), layer_sparsity=shares), RESULTS[1]))
    assert [row.cells[2:] for row in table.rows] == [
        ("q", "2", "0.375", "0.250", "0.500"),
        ("wo", "1", "0.750", "0.750", "0.750"),
    ]


def test_density_change_is_told_overall_and_by_stack() -> None:
    plain = DensityReading(encoder_blocks=(0.5, 0.3), decoder_blocks=(0.2, 0.2))
    deft = DensityReading(encoder_blocks=(0.4, 0.2), decoder_blocks=(0.05, 0.05))
    assert change_text(deft, plain) == "0.417 (0.250 / 0.750)"
    single = DensityReading(encoder_blocks=(0.5,), decoder_blocks=())
    assert change_text(replace(single, encoder_blocks=(0.25,)), single) == "0.500"
