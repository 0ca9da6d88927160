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
from deft_sweeps.result import (
    SCHEMA_VERSION,
    BlockGates,
    CompleteTrial,
    DensityReading,
    FailedTrial,
    Point,
    Rung,
    Score,
    SkippedBlocks,
    StoppedTrial,
    TrialResult,
    complete_trials,
    read_result,
)
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
    model=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10),
    activation=st.sampled_from(("pretrained", "relu")),
    peft=st.one_of(
        st.builds(Lora, r=st.integers(1, 64)), st.builds(Adapter, reduction=st.integers(1, 64))
    ),
    density=st.one_of(
        st.just(NoDensityLoss()),
        st.builds(DensityLoss, weight=st.floats(1e-9, 1e3), eps=st.floats(1e-9, 1)),
    ),
    adaptive=st.one_of(
        st.just(NoSkipping()), st.builds(AdaDeft, skip=st.integers(1, 20), weight=shares)
    ),
    quantization=st.one_of(st.just(Unquantized()), st.builds(Nf4, double=st.booleans())),
    pruning=st.one_of(
        st.just(NoPruning()),
        st.builds(Magnitude, sparsity=st.floats(0.01, 0.99)),
        st.builds(Wanda, sparsity=st.floats(0.01, 0.99)),
    ),
)


@settings(deadline=None, max_examples=60)
@given(configs, st.lists(points, min_size=1, max_size=3), st.integers(0, 2**31), skips)
def test_a_complete_trial_reads_back_equal(
    config: TrialConfig, some: list[Point], seed: int, skipped: SkippedBlocks
) -> None:
    rising = tuple(sorted({p.threshold: p for p in some}.values(), key=lambda p: p.threshold))
    gates = BlockGates(encoder=(0.5, 0.0), decoder=(1.0,)) if skipped else None
    first, *others = rising
    made = result(first, *others, config=config, seed=seed)
    made = replace(made, skipped=skipped, block_gates=gates)
    again = read_result(made.to_json())
    assert again == made
    assert again.trial_id == made.trial_id
    assert again.to_json() == made.to_json()


@settings(deadline=None, max_examples=60)
@given(configs, st.lists(points, max_size=3), st.integers(0, 2**31), st.text(max_size=20))
def test_failed_and_stopped_trials_read_back_equal(
    config: TrialConfig, some: list[Point], seed: int, error: str
) -> None:
    rungs = tuple(Rung(step=step, points=(at_rung,)) for step, at_rung in enumerate(some))
    made: tuple[TrialResult, ...] = (
        FailedTrial(config=config, seed=seed, rungs=rungs, error=error, finished_at=2.5),
        StoppedTrial(config=config, seed=seed, rungs=rungs, started_at=1.5),
    )
    for trial in made:
        again = read_result(trial.to_json())
        assert again == trial
        assert type(again) is type(trial)
        assert again.to_json() == trial.to_json()


@pytest.mark.parametrize("made", sweep_results(), ids=lambda made: made.trial_id)
def test_results_of_every_status_read_back(made: TrialResult) -> None:
    again = read_result(made.to_json())
    assert again == made
    assert type(again) is type(made)


def test_a_complete_trial_has_a_measured_point() -> None:
    with pytest.raises(ValueError, match="at least one measured point of a complete trial"):
        CompleteTrial(config=TrialConfig(), seed=0, points=())
    stored = json.loads(result(point()).to_json())
    with pytest.raises(ValueError, match="at least one measured point of a complete trial"):
        read_result(json.dumps(stored | {"points": []}).encode())
    del stored["points"]
    with pytest.raises(ValueError, match="points"):
        read_result(json.dumps(stored).encode())


def test_complete_trials_come_in_their_order_without_the_others() -> None:
    first, second = result(point(), finished_at=3.0), result(point(), weight=1.0)
    stopped = StoppedTrial(config=TrialConfig(), seed=0)
    assert complete_trials([first, result(), stopped, second]) == (first, second)


# Every result had all of these fields before the three endings had types of their own.
EARLIER_EMPTY: dict[str, object] = {
    "points": [],
    "rungs": [],
    "exact_density": None,
    "layer_sparsity": {},
    "cost": None,
    "skipped": {"encoder": [], "decoder": []},
    "block_gates": None,
    "error": "",
    "provenance": None,
    "started_at": 1.0,
    "finished_at": 2.0,
    "schema_version": 1,
}


def earlier(**fields: object) -> bytes:
    """A result as an earlier version stored it."""
    stored = {"config": json.loads(result().to_json())["config"], "seed": 0}
    return json.dumps(stored | EARLIER_EMPTY | fields).encode()


def test_failed_and_stopped_trials_of_earlier_versions_are_read() -> None:
    failed = read_result(earlier(status="failed", error="loss is not finite at step 3"))
    assert failed == result(finished_at=2.0)
    assert isinstance(failed, FailedTrial)
    rung = Rung(step=5, points=(point(),))
    rungs = [{"step": 5, "points": json.loads(result(point()).to_json())["points"]}]
    stopped = read_result(earlier(status="stopped", rungs=rungs))
    assert stopped == StoppedTrial(
        config=result().config, seed=0, rungs=(rung,), started_at=1.0, finished_at=2.0
    )


def test_a_complete_trial_of_an_earlier_version_is_read() -> None:
    made = result(point(n=4, score=0.75), finished_at=2.0)
    document = json.loads(made.to_json())
    scores = [1.0, 1.0, 1.0, 0.0]
    stored = earlier(
        status="complete",
        points=[document["points"][0] | {"example_scores": scores}],
        cost=document["cost"],
        provenance=document["provenance"],
    )
    assert read_result(stored) == made


def test_a_newer_schema_and_nonsense_are_refused() -> None:
    document = json.loads(result(point()).to_json())
    document["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(ValueError, match="newer"):
        read_result(json.dumps(document).encode())
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
    reading = DensityReading(
        encoder_blocks=(0.2, 0.0), decoder_blocks=(0.0, 0.7), skipped=SkippedBlocks(encoder=(1,))
    )
    assert reading.overall == pytest.approx((0.2 + 0.7) / 4)
    assert reading.of_kept_blocks == pytest.approx((0.2 + 0.0 + 0.7) / 3)
    assert replace(reading, skipped=SkippedBlocks()).of_kept_blocks == reading.overall


def test_metrics_are_the_named_ones_and_finite() -> None:
    made = result(point())
    optional = {"written_density", "energy_ratio"}
    assert set(measured(made.points[0], made.cost)) == set(METRICS) - optional
    writing = replace(
        made.points[0],
        energy_ratio=0.5,
        written_density=DensityReading(encoder_blocks=(0.2,), decoder_blocks=(0.6,)),
    )
    assert set(measured(writing, made.cost)) == set(METRICS)
    assert measured(writing, made.cost)["written_density"] == pytest.approx(0.4)
    one_stack = replace(
        point(), density=DensityReading(encoder_blocks=(0.2,), decoder_blocks=()), loss=math.nan
    )
    encoder_only = replace(made, points=(one_stack,), cost=None)
    assert set(measured(one_stack, encoder_only.cost)) == {
        "score",
        "activation_density",
        "encoder_density",
    }


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
