"""Trials and steps that a searcher needs to reach a share of the true volume, over seeds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.search.problem import SCALES, Floats, Problem, Scale, Truth, directions, truth
from benchmarks.search.simulate import Arm, Ended, simulate
from deft_sweeps.front import non_dominated

TARGET = 0.95
N_RESAMPLED = 4000
Effort = Literal["trials", "steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Effort at which a run reached the target; None if it did not within its budget.

    Attributes:
        trials: ended trials, stopped ones included.
        steps: steps of all trials.
    """

    trials: int | None
    steps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One searcher on one problem with one seed.

    Attributes:
        hits: by scale.
        shares: share of the volume on the linear scale after each ended trial.
        n_steps: steps of all trials in the run.
        cpu_sec: CPU time of the searcher and the simulation.
    """

    problem: str
    arm: str
    seed: int
    hits: dict[Scale, Hit]
    shares: tuple[float, ...]
    n_steps: int
    cpu_sec: float


class Progress:
    """The volume that the complete trials reach together.

    A configuration counts with its mean objectives at every threshold. A lucky seed is therefore no
    progress, and every searcher gets credit for the same points.
    """

    def __init__(self, problem: Problem, truths: Sequence[Truth]) -> None:
        self._problem, self._truths = problem, truths
        self._turned = directions(problem.spec.objectives)
        self._front: Floats = np.empty((0, len(self._turned)))
        self._seen: set[str] = set()
        self.shares = [0.0 for _ in truths]

    def add(self, ended: Ended) -> None:
        config = ended.proposal.config
        if not ended.complete or config.config_id in self._seen:
            return
        self._seen.add(config.config_id)
        merged = np.concatenate([self._front, self._problem.true_points(config)])
        self._front = merged[non_dominated(merged, self._turned)]
        self.shares = [truth.share(self._front) for truth in self._truths]


def truths_of(problem: Problem) -> tuple[Truth, ...]:
    front = problem.true_front()
    return tuple(truth(front, problem.spec.objectives, scale) for scale in SCALES)


def run(problem: Problem, name: str, arm: Arm, seed: int, *, workers: int, max_steps: float) -> Run:
    """Searches until the target is reached on every scale, or until `max_steps` steps."""
    truths = truths_of(problem)
    progress = Progress(problem, truths)
    hits: dict[Scale, Hit] = {truth.scale: Hit(trials=None, steps=None) for truth in truths}
    shares: list[float] = []

    def enough(ended: Ended) -> bool:
        progress.add(ended)
        shares.append(round(progress.shares[0], 5))
        for one, share in zip(truths, progress.shares, strict=True):
            if share >= TARGET and hits[one.scale].trials is None:
                hits[one.scale] = Hit(trials=len(shares), steps=ended.paid)
        return all(hit.trials is not None for hit in hits.values())

    began = time.process_time()
    ended = simulate(problem, arm, workers=workers, max_steps=max_steps, enough=enough)
    return Run(
        problem=problem.name,
        arm=name,
        seed=seed,
        hits=hits,
        shares=tuple(shares),
        n_steps=ended[-1].paid if ended else 0,
        cpu_sec=round(time.process_time() - began, 3),
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap 95 % interval; infinite if the target was not reached.

    Attributes:
        at_most: the value is an upper bound, since the rival used up its budget.
    """

    value: float
    low: float
    high: float
    at_most: bool = False

    def __str__(self) -> str:
        return (
            f"{'<= ' * self.at_most}{_shown(self.value)} [{_shown(self.low)}, {_shown(self.high)}]"
        )


def median(values: Sequence[float]) -> Estimate:
    """The lower median; a run that missed the target counts as infinite."""
    array = np.array(values, dtype=np.float64)
    return _estimate(float(_median(array[None])[0]), _medians(array, 0))


def ratio(values: Sequence[float], rivals: Sequence[float], used: Sequence[float]) -> Estimate:
    """Ratio of medians, with both sides resampled independently.

    Args:
        values: effort of each run; infinite for a run that missed the target.
        rivals: the same of the runs to compare with.
        used: budget of each of those. It replaces an infinite effort, which can only be larger.
    """
    array = np.array(values, dtype=np.float64)
    bound = np.where(np.isinf(rivals), used, rivals)
    value = float(_median(array[None])[0] / _median(bound[None])[0])
    censored = bool(np.isinf(_median(np.array(rivals, dtype=np.float64)[None])[0]))
    resampled = _medians(array, 1) / _medians(bound, 2)
    return replace(_estimate(value, resampled), at_most=censored)


def needed(runs: Sequence[Run], scale: Scale, what: Effort) -> list[float]:
    """Trials or steps that each run needed; infinite for a run that missed the target."""
    efforts = [
        run.hits[scale].trials if what == "trials" else run.hits[scale].steps for run in runs
    ]
    return [float("inf") if value is None else float(value) for value in efforts]


def used(runs: Sequence[Run], what: Effort) -> list[float]:
    """Trials or steps of each whole run."""
    return [float(len(run.shares) if what == "trials" else run.n_steps) for run in runs]


def _medians(array: Floats, salt: int) -> Floats:
    picked = np.random.default_rng([salt, len(array)]).integers(
        len(array), size=(N_RESAMPLED, len(array))
    )
    return _median(array[picked])


def _median(rows: Floats) -> Floats:
    """The lower median of each row, shape (n, m) to (n,); never between a number and infinity."""
    ordered: Floats = np.sort(rows, axis=1)[:, (rows.shape[1] - 1) // 2]
    return ordered


def _estimate(value: float, resampled: Floats) -> Estimate:
    ordered = np.sort(resampled)
    return Estimate(
        value,
        float(ordered[int(0.025 * (len(ordered) - 1))]),
        float(ordered[int(np.ceil(0.975 * (len(ordered) - 1)))]),
    )


def _shown(value: float) -> str:
    if np.isinf(value):
        return "-"
    return f"{value:.2f}" if value < 10 and value != int(value) else f"{value:,.0f}"
