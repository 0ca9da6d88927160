"""Results made by hand, for tests of what only reads results."""

from typing import overload

from deft_sweeps.config.axes import DensityLoss, NoDensityLoss, Training
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import (
    CompleteTrial,
    Cost,
    DensityReading,
    FailedTrial,
    Point,
    Provenance,
    Score,
    TrialResult,
)


def point(threshold: float = 0.0, score: float = 0.8, density: float = 0.5, n: int = 100) -> Point:
    right = round(score * n)
    return Point(
        threshold=threshold,
        score=Score(
            metric="accuracy",
            value=right / n,
            n_examples=n,
            standard_error=(score * (1 - score) / n) ** 0.5,
        ),
        loss=1.0 - score,
        density=DensityReading(
            encoder_blocks=(density, density), decoder_blocks=(density, density)
        ),
        example_scores=ExampleScores.of([1.0 if i < right else 0.0 for i in range(n)]),
    )


@overload
def result(
    __first: Point,
    *points: Point,
    weight: float = ...,
    seed: int = ...,
    finished_at: float = ...,
    config: TrialConfig | None = ...,
    learning_rate: float = ...,
) -> CompleteTrial: ...
@overload
def result(
    *,
    weight: float = ...,
    seed: int = ...,
    finished_at: float = ...,
    config: TrialConfig | None = ...,
    learning_rate: float = ...,
) -> FailedTrial: ...
def result(
    *points: Point,
    weight: float = 0.0,
    seed: int = 0,
    finished_at: float = 1.0,
    config: TrialConfig | None = None,
    learning_rate: float = 1e-3,
) -> CompleteTrial | FailedTrial:
    """A complete trial with these points; a failed one without any."""
    density = DensityLoss(weight=weight) if weight else NoDensityLoss()
    config = config or TrialConfig(density=density, training=Training(learning_rate=learning_rate))
    if not points:
        return FailedTrial(
            config=config,
            seed=seed,
            error="loss is not finite at step 3",
            started_at=finished_at - 1,
            finished_at=finished_at,
        )
    return CompleteTrial(
        config=config,
        seed=seed,
        points=points,
        cost=Cost(
            label="proxy",
            trainable_parameters=10,
            total_parameters=100,
            weight_bytes=400,
            weight_sparsity=0.0,
            peak_memory_bytes=1000,
            latency_sec=0.01,
            build_time_sec=1.0,
            train_time_sec=2.0,
            evaluate_time_sec=3.0,
        ),
        provenance=Provenance(
            packages={"torch": "2.13.0"},
            commit="",
            python="3.11.7",
            device="cpu",
            n_threads=1,
            dataset_fingerprint="d",
            checkpoint_revision="c",
        ),
        started_at=finished_at - 1,
        finished_at=finished_at,
    )


def complete(trial: TrialResult) -> CompleteTrial:
    """The same trial, for tests that expect it to be complete."""
    assert isinstance(trial, CompleteTrial), trial
    return trial


def error_of(trial: TrialResult) -> str:
    """Why the trial failed, for tests that expect it to have failed."""
    assert isinstance(trial, FailedTrial), trial
    return trial.error
