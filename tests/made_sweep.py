"""A small sweep made by hand for tests of front, choice and report: close to what a real one looks
like, and the same each time.
"""

from collections.abc import Sequence
from dataclasses import replace

from deft_sweeps.config.axes import (
    Activation,
    Adapter,
    DensityLoss,
    Lora,
    Nf4,
    NoDensityLoss,
    Quantization,
    Training,
    Unquantized,
    Wanda,
)
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import (
    CompleteTrial,
    Cost,
    DensityReading,
    FailedTrial,
    FinalMeasurement,
    Point,
    Provenance,
    Score,
    StoppedTrial,
    TrialResult,
)
from deft_sweeps.specification.combination import Combination, Excluded, Start
from deft_sweeps.specification.domain import Float
from deft_sweeps.specification.search_settings import Budget, Search
from deft_sweeps.specification.sweep_spec import SweepSpec

THRESHOLDS = (0.01, 0.2, 0.5, 1.2)
SCORES_AND_DENSITIES: dict[tuple[Activation, float], tuple[tuple[float, float, float], ...]] = {
    ("relu", 0.0): (
        (0.818, 0.465, 0.412),
        (0.818, 0.364, 0.271),
        (0.810, 0.228, 0.131),
        (0.780, 0.057, 0.031),
    ),
    ("relu", 0.5): (
        (0.810, 0.442, 0.076),
        (0.810, 0.344, 0.059),
        (0.803, 0.216, 0.033),
        (0.760, 0.055, 0.011),
    ),
    ("relu", 1.5): (
        (0.802, 0.382, 0.030),
        (0.808, 0.289, 0.024),
        (0.793, 0.176, 0.017),
        (0.748, 0.043, 0.007),
    ),
    ("pretrained", 0.0): (
        (0.797, 0.974, 0.956),
        (0.788, 0.307, 0.193),
        (0.780, 0.172, 0.092),
        (0.745, 0.043, 0.024),
    ),
    ("pretrained", 3.0): (
        (0.813, 0.965, 0.462),
        (0.798, 0.258, 0.024),
        (0.790, 0.140, 0.014),
        (0.733, 0.034, 0.004),
    ),
}
PROVENANCE = Provenance(
    packages={"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
    commit="0123abc",
    python="3.11.7",
    device="cpu",
    n_threads=1,
    dataset_fingerprint="5f3d2c",
    checkpoint_revision="9a8b7c",
)


def examples(score: float, n: int, shift: int) -> tuple[float, ...]:
    """N right-or-wrong scores with the mean asked for; trials agree on most examples, as real ones
    do.
    """
    wrong = n - round(score * n)
    return tuple(0.0 if (i * 7 + shift) % n < wrong else 1.0 for i in range(n))


def measured(
    threshold: float, score: float, encoder: float, decoder: float, n: int = 600, shift: int = 0
) -> Point:
    scores = examples(score, n, shift)
    value = sum(scores) / n
    tilt = [0.7, 0.8, 0.9, 1.0, 1.0, 1.05, 1.2, 1.35]
    return Point(
        threshold=threshold,
        score=Score(
            metric="accuracy",
            value=value,
            n_examples=n,
            standard_error=(value * (1 - value) / n) ** 0.5,
        ),
        loss=1.2 - score,
        density=DensityReading(
            encoder_blocks=tuple(min(1.0, encoder * t) for t in tilt),
            decoder_blocks=tuple(min(1.0, decoder * t) for t in reversed(tilt)),
        ),
        example_scores=ExampleScores.of(scores),
    )


def cost(quantized: bool = False, adapter: bool = False) -> Cost:
    return Cost(
        label="proxy",
        trainable_parameters=786_432 if adapter else 344_064,
        total_parameters=77_300_000,
        weight_bytes=85_000_000 if quantized else 155_000_000,
        weight_sparsity=0.0,
        peak_memory_bytes=900_000_000,
        latency_sec=0.051 if quantized else 0.034,
        build_time_sec=1.2,
        train_time_sec=41.0,
        evaluate_time_sec=9.0,
    )


def trial(
    activation: Activation,
    weight: float,
    quantization: Quantization | None = None,
    drop: float = 0.0,
    finished_at: float = 1.0,
) -> CompleteTrial:
    """One trial of SCORES_AND_DENSITIES, its scores lowered by `drop`."""
    rows = SCORES_AND_DENSITIES[activation, weight]
    points = [
        measured(t, s - drop, e, d, shift=int(weight * 10))
        for t, (s, e, d) in zip(THRESHOLDS, rows, strict=True)
    ]
    first = points[0]
    everything = replace(
        first,
        threshold=0.0,
        density=DensityReading(encoder_blocks=(0.99,) * 8, decoder_blocks=(0.98,) * 8),
    )
    if activation == "relu":
        everything = replace(first, threshold=0.0)
    return CompleteTrial(
        config=TrialConfig(
            activation=activation,
            peft=Lora(targets=("q", "v", "gate", "down")),
            density=DensityLoss(weight=weight, eps=1e-2) if weight else NoDensityLoss(),
            quantization=quantization or Unquantized(),
            training=Training(learning_rate=2e-3),
        ),
        seed=0,
        points=(everything, *points),
        exact_density=first.density,
        cost=cost(quantization is not None),
        provenance=PROVENANCE,
        started_at=1_763_900_000.0 + finished_at * 60,
        finished_at=1_763_900_052.0 + finished_at * 60,
    )


def sweep_results() -> tuple[TrialResult, ...]:
    """Ten trials: both activations with and without the density loss, NF4, one stopped, one
    failed.
    """
    trials: Sequence[tuple[Activation, float, Quantization | None, float]] = (
        ("pretrained", 0.0, None, 0.0),
        ("pretrained", 3.0, None, 0.0),
        ("relu", 0.0, None, 0.0),
        ("relu", 0.5, None, 0.0),
        ("relu", 1.5, None, 0.0),
        ("relu", 0.0, Nf4(), 0.012),
        ("relu", 0.5, Nf4(), 0.018),
        ("pretrained", 0.0, Nf4(), 0.02),
    )
    complete = [trial(a, w, q, drop, finished_at=i) for i, (a, w, q, drop) in enumerate(trials)]
    failed = FailedTrial(
        config=replace(complete[3].config, peft=Adapter(), training=Training(learning_rate=3e-2)),
        seed=0,
        error=(
            "the loss is not finite at step 17: learning_rate 0.03 is too high, or the gradient"
            " overflowed"
        ),
        started_at=complete[3].started_at,
        finished_at=complete[3].finished_at,
    )
    stopped = StoppedTrial(
        config=replace(complete[4].config, pruning=Wanda(sparsity=0.5)),
        seed=0,
        started_at=complete[4].started_at,
        finished_at=complete[4].finished_at,
    )
    return (*complete, failed, stopped)


def sweep_finals() -> tuple[FinalMeasurement, ...]:
    results = sweep_results()
    trials = (
        ("chosen", 1, 0.5, 0.786, 0.142, 0.015),
        ("baseline", 0, 0.0, 0.801, 0.99, 0.98),
        ("twin", 0, 0.8731, 0.768, 0.098, 0.058),
    )
    return tuple(
        FinalMeasurement(
            role=role,  # type: ignore[arg-type]
            trial_id=results[i].trial_id,
            point=measured(threshold, score, encoder, decoder, n=2000, shift=31 * i),
            cost=replace(cost(), label="measured"),
            provenance=PROVENANCE,
        )
        for role, i, threshold, score, encoder, decoder in trials
    )


def sweep_spec(name: str = "quickstart") -> SweepSpec:
    weight = Float(0.1, 3.0, log=True)
    template = TrialConfig(activation="relu", density=DensityLoss(weight=0.5))
    return SweepSpec(
        name=name,
        objectives=("score", "activation_density"),
        limits=(parse_constraint("score >= 0.6"),),
        choose=parse_policy("best activation_density where score >= baseline(peft) - 0.01"),
        combinations=(
            Combination("relu lora loss none none", {"density.loss.weight": weight}, template),
        ),
        excluded=(
            Excluded(
                "pretrained adapter loss nf4 none", "adapters cannot be attached to an NF4 base"
            ),
        ),
        first=(Start("relu lora loss none none", {"density.loss.weight": 1.0}),),
        evaluation=Evaluation(thresholds=(0.0, *THRESHOLDS)),
        search=Search(),
        budget=Budget(trials=10),
    )
