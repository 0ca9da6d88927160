"""A landscape to search: its measurements at every rung and threshold, and its true front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front import hypervolume, non_dominated
from deft_sweeps.metrics import METRICS, Direction
from deft_sweeps.result import (
    CompleteTrial,
    Cost,
    DensityReading,
    Point,
    Provenance,
    Rung,
    Score,
    StoppedTrial,
)
from deft_sweeps.specification.sweep_spec import SweepSpec

Floats = NDArray[np.float64]
Scale = Literal["linear", "log"]
"""Scale of densities in a volume.

`linear` is the primary one: the savings of a low density (multiplications, energy, time in a sparse
kernel) are linear in it. On `log` a factor has the same weight everywhere, so the sparse end of the
front weighs more."""

SCALES: tuple[Scale, ...] = ("linear", "log")
LEAST_DENSITY = 1e-4
MARGIN = 0.1

UNTIMED = Cost(
    label="proxy",
    trainable_parameters=1,
    total_parameters=1,
    weight_bytes=1,
    weight_sparsity=0.0,
    peak_memory_bytes=1,
    latency_sec=1.0,
    build_time_sec=0.0,
    train_time_sec=0.0,
    evaluate_time_sec=0.0,
)
NOWHERE = Provenance(
    packages={},
    commit="",
    python="",
    device="simulated",
    n_threads=0,
    dataset_fingerprint="simulated",
    checkpoint_revision="simulated",
)


class Problem(Protocol):
    """A landscape.

    Attributes:
        spec: the space that is searched; all its configurations train the same number of steps.
        rungs: steps at which a trial is measured, rising; the last is the end of training.
        digest: changes with the landscape.
        note: what a reader of its figures must know.
    """

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> SweepSpec: ...
    @property
    def rungs(self) -> tuple[int, ...]: ...
    @property
    def digest(self) -> str: ...
    @property
    def note(self) -> str: ...

    def curve(self, config: TrialConfig, seed: int, step: int) -> tuple[Point, ...]:
        """Measurements of a trial at a rung, one point per threshold, with noise; repeatable."""
        ...

    def true_points(self, config: TrialConfig) -> Floats:
        """The fully trained configuration's mean objectives, shape (thresholds, m)."""
        ...

    def true_front(self) -> Floats:
        """Mean objectives of the non-dominated points of the space, shape (n, m)."""
        ...

    def step_sec(self, config: TrialConfig) -> float:
        """Simulated time of one step, about 1 on average over the space."""
        ...


@dataclass(frozen=True)
class Truth:
    """The volume of the true front.

    Attributes:
        front: on the scale, shape (n, m).
        reference: the front's worst value of each objective, worsened by MARGIN of its range.
        volume: between front and reference.
    """

    objectives: tuple[str, ...]
    scale: Scale
    front: Floats
    reference: Floats
    volume: float

    def share(self, values: ArrayLike) -> float:
        """Share of the volume that these unscaled points of shape (n, m) reach, in [0, 1]."""
        return (
            hypervolume(
                scaled(values, self.objectives, self.scale),
                self.reference,
                directions(self.objectives),
            )
            / self.volume
        )


def truth(front: ArrayLike, objectives: tuple[str, ...], scale: Scale) -> Truth:
    """The volume of a front, or of points that contain one.

    The reference is near the front. At the worst possible values (score 0, density 1) most of the
    volume is common to all trials: a few random ones reach 95 %, and searchers cannot be compared.
    """
    turned = directions(objectives)
    points = scaled(front, objectives, scale)
    points = points[non_dominated(points, turned)]
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in turned])
    worst = (points * signs).max(axis=0)
    spread = worst - (points * signs).min(axis=0)
    reference = (worst + MARGIN * np.where(spread > 0, spread, 1.0)) * signs
    return Truth(objectives, scale, points, reference, hypervolume(points, reference, turned))


def directions(objectives: Sequence[str]) -> list[Direction]:
    return [METRICS[name].direction for name in objectives]


def scaled(values: ArrayLike, objectives: Sequence[str], scale: Scale) -> Floats:
    """A copy of the values with densities on the scale, shape (n, m)."""
    array = np.array(values, dtype=np.float64).reshape(-1, len(objectives))
    if scale == "log":
        for column, name in enumerate(objectives):
            if name.endswith("density"):
                array[:, column] = np.log10(np.maximum(array[:, column], LEAST_DENSITY))
    return array


def point(
    threshold: float,
    score: float,
    density: float,
    n_examples: int = 300,
    decoder: float | None = None,
    loss: float = 0.0,
) -> Point:
    """A measured point; `density` is the encoder's if `decoder` is given, else that of all "
    "blocks.
    """
    chance = min(max(score, 0.0), 1.0)
    return Point(
        threshold=threshold,
        score=Score(
            metric="accuracy",
            value=score,
            n_examples=n_examples,
            standard_error=(chance * (1 - chance) / n_examples) ** 0.5,
        ),
        loss=loss,
        density=DensityReading(
            encoder_blocks=(density,), decoder_blocks=() if decoder is None else (decoder,)
        ),
    )


def result(
    config: TrialConfig, seed: int, rungs: Sequence[Rung], points: tuple[Point, ...] | None
) -> CompleteTrial | StoppedTrial:
    """The trial as a sweep stores it: complete with `points`, stopped early if they are None.

    `rungs` are its measurements before the end.
    """
    if points is None:
        return StoppedTrial(config=config, seed=seed, rungs=tuple(rungs))
    return CompleteTrial(
        config=config,
        seed=seed,
        points=points,
        rungs=tuple(rungs),
        cost=UNTIMED,
        provenance=NOWHERE,
    )


def objective_values(objectives: Sequence[str], points: Sequence[Point]) -> Floats:
    """Of metrics that a point has, shape (n, m)."""
    rows = [[METRICS[name].read(point, None) for name in objectives] for point in points]
    return np.array(rows, dtype=np.float64)
