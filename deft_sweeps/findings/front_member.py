"""A point that may be on the front: a trained trial at one threshold, or the mean over its
seeds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.front import Floats
from deft_sweeps.metrics import DEFAULT_OBJECTIVES, METRICS, SCORE, Direction, measured_points
from deft_sweeps.outcomes import mean_scores
from deft_sweeps.result import (
    CompleteTrial,
    Point,
    TrainingAtRung,
    TrialResult,
    point_name,
)
from deft_sweeps.statistics.seed_mean import SeedMean, nearest_to_mean, seed_mean
from deft_sweeps.statistics.seed_spread import SeedSpread, seed_spread

MeasuredTraining = CompleteTrial | TrainingAtRung
"""What has measured points; the second takes part in comparisons at a rung alone."""


@dataclass(frozen=True, slots=True)
class FrontMember:
    """A trained trial at one threshold, or a configuration that was trained with several seeds.

    Attributes:
        result: of the trial; with several seeds, of the one that stands for them
            (`nearest_to_mean` of score and density).
        point: of that trial.
        values: every metric of the point by its name; with several seeds, the means.
        seeds: with several seeds each by itself, rising in its seed; otherwise empty.
    """

    result: MeasuredTraining
    point: Point
    values: dict[str, float]
    seeds: tuple["FrontMember", ...] = ()

    @property
    def trainings(self) -> tuple["FrontMember", ...]:
        """Each training by itself: one with several seeds, otherwise the member."""
        return self.seeds or (self,)

    @property
    def n_seeds(self) -> int:
        """Number of trainings behind it, at least 1."""
        return len(self.trainings)

    @property
    def points(self) -> tuple[Point, ...]:
        """Its point of each seed, rising in the seed."""
        return tuple(one.point for one in self.trainings)

    def over_seeds(self, name: str) -> SeedMean | None:
        """Mean and interval of a metric over the seeds, cut to its possible values; None with one
        seed.
        """
        if not self.seeds:
            return None
        possible = METRICS[name].possible(self.point)
        return seed_mean([one.values[name] for one in self.seeds], possible)

    @property
    def example_scores(self) -> NDArray[np.float64]:
        """The score of each held-out example, the mean over the seeds, shape (n,); empty if a seed
        has none or another number of them.
        """
        return mean_scores([point.example_scores for point in self.points])

    @property
    def name(self) -> str:
        """`<trial_id>@<threshold>`, or `<trial_id>@p<percentile>`; unique in a sweep."""
        return point_name(self.result.trial_id, self.point.threshold, self.point.percentile)


def trial_ids_of(members: Iterable[FrontMember]) -> set[str]:
    """The trials behind some members, those of every seed."""
    return {one.result.trial_id for member in members for one in member.trainings}


def directions_of(objectives: Iterable[str]) -> tuple[Direction, ...]:
    """The direction of each objective."""
    return tuple(METRICS[name].direction for name in objectives)


def values_of(members: Sequence[FrontMember], objectives: Sequence[str]) -> Floats:
    """The members' objectives, shape (n, m)."""
    rows = [[member.values[name] for name in objectives] for member in members]
    return np.array(rows, dtype=float).reshape(-1, len(objectives))


def candidates(
    results: Iterable[TrialResult | TrainingAtRung], objectives: Sequence[str] = ()
) -> tuple[FrontMember, ...]:
    """Every measured point of every complete trial that has a finite value of each objective."""
    members = (
        FrontMember(result, point, values)
        for result in results
        if isinstance(result, MeasuredTraining)
        for point, values in zip(
            result.points, measured_points(result.points, result.cost), strict=True
        )
    )
    return tuple(m for m in members if all(name in m.values for name in objectives))


def configurations(
    results: Iterable[TrialResult | TrainingAtRung], objectives: Sequence[str] = ()
) -> tuple[FrontMember, ...]:
    """The candidates with the seeds of a configuration pooled at each threshold, in the order of
    their first.
    """
    return pooled(candidates(results, objectives))


def pooled(members: Iterable[FrontMember]) -> tuple[FrontMember, ...]:
    """Single trainings with the seeds of a configuration pooled at each threshold."""
    groups: dict[tuple[str, str], list[FrontMember]] = {}
    config_ids: dict[int, str] = {}  # By the result's identity: hashing a configuration is slow.
    for member in members:
        result = member.result
        config_id = config_ids.get(id(result)) or result.config_id
        config_ids[id(result)] = config_id
        groups.setdefault((config_id, member.point.at), []).append(member)
    return tuple(_mean(group) if len(group) > 1 else group[0] for group in groups.values())


def seed_spread_of(members: Iterable[FrontMember]) -> SeedSpread | None:
    """How far the seed alone moves a score, from the members that were trained with several."""
    repeated: dict[str, list[list[float]]] = {}
    for member in members:
        if member.seeds:
            scores = [one.values[SCORE.name] for one in member.seeds]
            repeated.setdefault(member.result.config_id, []).append(scores)
    return seed_spread(repeated.values())


def _mean(group: Sequence[FrontMember]) -> FrontMember:
    seeds = tuple(sorted(group, key=lambda member: member.result.seed))
    shared = [name for name in seeds[0].values if all(name in m.values for m in seeds)]
    means = {name: sum(m.values[name] for m in seeds) / len(seeds) for name in shared}
    values = [member.values for member in seeds]
    typical = seeds[nearest_to_mean(values, DEFAULT_OBJECTIVES)]
    return FrontMember(typical.result, typical.point, means, seeds)
