"""Results: JSON and back, metrics, and what cannot be a result."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.config.axes import (
    AdaDeft,
    Adapter,
    DensityLoss,
    Lora,
    Magnitude,
    Nf4,
    NoDensityLoss,
    NoPruning,
    NoSkipping,
    Unquantized,
    Wanda,
)
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import SCHEMA_VERSION, BlockGates, CompleteTrial, DensityReading, Point, Score, SkippedBlocks, read_result
from tests.made_sweep import sweep_results
from tests.samples import point, result

shares = st.floats(0, 1)
places = st.lists(st.integers(0, 40), max_size=2).map(tuple)
skips = st.builds(SkippedBlocks, encoder=places, decoder=places)
readings = st.builds(
    DensityReading,
    encoder_blocks=st.lists(shares, min_size=1, max_size=3).map(tuple),
    decoder_blocks=st.lists(shares, max_size=3).map(tuple),
    skipped=skips,
)
scores = st.builds(
    Score,
    metric=st.text(max_size=8),
    value=st.floats(-1, 1),
    n_examples=st.integers(1, 10**6),
    standard_error=shares,
    also=st.dictionaries(st.text(max_size=8), st.floats(-1, 1), max_size=2),
)
points = st.builds(
    Point,
    threshold=shares,
    score=scores,
    loss=st.floats(0, 50),
    density=readings,
    example_scores=st.lists(shares, max_size=4).map(ExampleScores.of),
)
configs = st.builds(
    TrialConfig,
    model=st.text(min_size=1, max_size=10),
    activation=st.sampled_from(("pretrained", "relu")),
    peft=st.one_of(st.builds(Lora, r=st.integers(1, 64)), st.builds(Adapter, reduction=st.integers(1, 64))),
    density=st.one_of(st.just(NoDensityLoss()), st.builds(DensityLoss, weight=st.floats(1e-9, 1e3), eps=st.floats(1e-9, 1))),
    adaptive=st.one_of(st.just(NoSkipping()), st.builds(AdaDeft, skip=st.integers(1, 20), weight=shares)),
    quantization=st.one_of(st.just(Unquantized()), st.builds(Nf4, double=st.booleans())),
    pruning=st.one_of(
        st.just(NoPruning()), st.builds(Magnitude, sparsity=st.floats(0.01, 0.99)), st.builds(Wanda, sparsity=st.floats(0.01, 0.99))
    ),
)


@settings(deadline=None, max_examples=60)
@given(configs, st.lists(points, min_size=1, max_size=3), st.integers(0, 2**31), st.text(max_size=20), skips)
def test_a_result_reads_back_equal(config: TrialConfig, some: list[Point], seed: int, error: str, skipped: SkippedBlocks) -> None:
    rising = tuple(sorted({p.threshold: p for p in some}.values(), key=lambda p: p.threshold))
    gates = BlockGates(encoder=(0.5, 0.0), decoder=(1.0,)) if skipped else None
    made = replace(result(*rising, config=config, seed=seed), error=error, skipped=skipped, block_gates=gates)
    again = read_result(made.to_json())
    assert again == made
    assert again.trial_id == made.trial_id
    assert again.to_json() == made.to_json()


@pytest.mark.parametrize("made", sweep_results(), ids=lambda made: made.trial_id)
def test_results_of_every_status_read_back(made: CompleteTrial) -> None:
    assert read_result(made.to_json()) == made


def test_a_newer_schema_and_nonsense_are_refused() -> None:
    told = json.loads(result(point()).to_json())
    told["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(ValueError, match="newer"):
        read_result(json.dumps(told).encode())
    for text in (b"", b"{}", b"[1]", b"\xff"):
        with pytest.raises(ValueError, match="CompleteTrial"):
            read_result(text)


def test_density_is_the_unweighted_mean_over_blocks() -> None:
    reading = DensityReading(encoder_blocks=(0.2, 0.4), decoder_blocks=(0.9,))
    assert reading.overall == pytest.approx((0.2 + 0.4 + 0.9) / 3)
    assert reading.encoder == pytest.approx(0.3)
    assert reading.decoder == 0.9
    assert math.isnan(DensityReading(encoder_blocks=(0.2,), decoder_blocks=()).decoder)


def test_the_mean_over_kept_blocks_leaves_removed_ones_out() -> None:
    reading = DensityReading(encoder_blocks=(0.2, 0.0), decoder_blocks=(0.0, 0.7), skipped=SkippedBlocks(encoder=(1,)))
    assert reading.overall == pytest.approx((0.2 + 0.7) / 4)
    assert reading.kept == pytest.approx((0.2 + 0.0 + 0.7) / 3)
    assert replace(reading, skipped=SkippedBlocks()).kept == reading.overall


def test_metrics_are_the_named_ones_and_finite() -> None:
    made = result(point())
    assert set(measured(made.points[0], made.cost)) == set(METRICS) - {"written_density"}
    writing = replace(made.points[0], written_density=DensityReading(encoder_blocks=(0.2,), decoder_blocks=(0.6,)))
    assert set(measured(writing, made.cost)) == set(METRICS)
    assert measured(writing, made.cost)["written_density"] == pytest.approx(0.4)
    one_stack = replace(point(), density=DensityReading(encoder_blocks=(0.2,), decoder_blocks=()), loss=math.nan)
    left = replace(made, points=(one_stack,), cost=None)
    assert set(measured(one_stack, left.cost)) == {"score", "activation_density", "encoder_density"}


def test_a_point_is_found_by_its_threshold() -> None:
    made = result(point(0.0), point(0.2, 0.7))
    assert made.point_at(0.2).score.value == pytest.approx(0.7)
    with pytest.raises(KeyError, match=r"threshold 0\.3"):
        made.point_at(0.3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_is_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Score(metric="accuracy", value=bad, n_examples=10, standard_error=0.1)
    with pytest.raises(ValueError, match="finite"):
        Score(metric="accuracy", value=0.5, n_examples=10, standard_error=bad)
