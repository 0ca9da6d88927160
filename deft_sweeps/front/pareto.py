"""From results to the front. Derived each time, never stored."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front.dominance import hypervolume, non_dominated
from deft_sweeps.front.seeds import SeedMean, nearest_to_mean, seed_mean
from deft_sweeps.front.sure import SureExcess, sure_excess
from deft_sweeps.objective import BASELINES, METRICS, BaselineName, Constraint, Direction, score_range
from deft_sweeps.result import Point, TrialResult

WORST_POSSIBLE = {"activation_density": 1.0, "encoder_density": 1.0, "decoder_density": 1.0, "written_density": 1.0}
"""Reference values of the metrics that have a worst value; the score's depends on the task's metric, see `objective.score_range`."""


@dataclass(frozen=True, slots=True)
class FrontMember:
    """A trained trial at one threshold, or a configuration that was trained with several seeds.

    Attributes:
        result, point: the trial's; of several seeds, the one that stands for them (`seeds.nearest_to_mean` of score and density).
        values: every metric of the point under the names of `objective.METRICS`; of several seeds, the means.
        seeds: of several, each by itself, rising in its seed; empty of a single one.
    """

    result: TrialResult
    point: Point
    values: dict[str, float]
    seeds: tuple["FrontMember", ...] = ()

    @property
    def n_seeds(self) -> int:
        return len(self.seeds) or 1

    @property
    def points(self) -> tuple[Point, ...]:
        """Its point of each seed, rising in the seed."""
        return tuple(one.point for one in self.seeds) or (self.point,)

    def over_seeds(self, name: str) -> SeedMean | None:
        """The metric's mean and interval over the seeds, cut to the values that the metric can have; None of a single one."""
        if not self.seeds:
            return None
        possible = score_range(self.point.score.metric) if name == "score" else (0.0, WORST_POSSIBLE.get(name, math.inf))
        return seed_mean([one.values[name] for one in self.seeds], possible)

    @property
    def example_scores(self) -> NDArray[np.float64]:
        """The score of each held-out example, the mean over the seeds, shape (n,); empty if a seed
        has none or another number of them."""
        scores = [point.example_scores.array() for point in self.points]
        if len({len(one) for one in scores}) != 1:
            return np.zeros(0)
        means: NDArray[np.float64] = np.mean(scores, axis=0, dtype=float)
        return means

    @property
    def name(self) -> str:
        """`<trial_id>@<threshold>`, or `<trial_id>@p<percentile>`; unique in a sweep."""
        return f"{self.result.trial_id}@{self.point.at}"


Baselines = Mapping[BaselineName, FrontMember]


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """The measured points that keep every limit and that no other such point dominates.

    Attributes:
        members: best first by the first objective; equal points are all there.
        objectives: names of `objective.METRICS`, in the sweep's order.
        reference: of the hypervolume, a value an objective.
        reference_note: where the reference comes from, a sentence.
        hypervolume: between front and reference, in the product of the objectives' units; higher is better.
        n_candidates: measured points that have every objective; those of a configuration's seeds at one threshold count as one.
        n_outside: candidates that break a limit, or lack a metric that a limit names.
        unjudged: limits that cannot be judged because their baseline is not there yet; while there are any, no point is a member.
    """

    members: tuple[FrontMember, ...]
    objectives: tuple[str, ...]
    reference: dict[str, float]
    reference_note: str
    hypervolume: float
    n_candidates: int
    n_outside: int
    unjudged: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class TradeOff:
    """What a step along the front costs and buys.

    Attributes:
        changes: an objective's value at `after` minus that at `before`, in its own unit.
    """

    before: FrontMember
    after: FrontMember
    changes: dict[str, float]


def directions_of(objectives: Iterable[str]) -> tuple[Direction, ...]:
    """The direction of each objective, from `objective.METRICS`."""
    return tuple(METRICS[name].direction for name in objectives)


def values_of(members: Sequence[FrontMember], objectives: Sequence[str]) -> np.ndarray:
    """The members' objectives, shape (n, m)."""
    return np.array([[member.values[name] for name in objectives] for member in members], dtype=float).reshape(-1, len(objectives))


def candidates(results: Iterable[TrialResult], objectives: Sequence[str] = ()) -> tuple[FrontMember, ...]:
    """Every measured point of every complete trial that has a finite value of each objective."""
    every = (FrontMember(r, point, r.metrics(point)) for r in results for point in r.points)
    return tuple(member for member in every if all(name in member.values for name in objectives))


def configurations(results: Iterable[TrialResult], objectives: Sequence[str] = ()) -> tuple[FrontMember, ...]:
    """The candidates with the seeds of a configuration pooled at each threshold, in the order of their first."""
    groups: dict[tuple[TrialConfig, str], list[FrontMember]] = {}
    for member in candidates(results, objectives):
        groups.setdefault((member.result.config, member.point.at), []).append(member)
    return tuple(_pooled(group) if len(group) > 1 else group[0] for group in groups.values())


def _pooled(group: Sequence[FrontMember]) -> FrontMember:
    seeds = tuple(sorted(group, key=lambda member: member.result.seed))
    shared = [name for name in seeds[0].values if all(name in member.values for member in seeds)]
    means = {name: sum(member.values[name] for member in seeds) / len(seeds) for name in shared}
    typical = seeds[nearest_to_mean([member.values for member in seeds], ("score", "activation_density"))]
    return FrontMember(typical.result, typical.point, means, seeds)


def pareto_front(
    results: Iterable[TrialResult],
    objectives: Sequence[str],
    limits: Sequence[Constraint] = (),
    baselines: Baselines | None = None,
    reference: Mapping[str, float] | None = None,
) -> ParetoFront:
    """The front of all measured points; each trial's points compete with one another too, and a configuration's seeds as their mean.

    Args:
        results: of any status; only complete ones have points.
        objectives: names of `objective.METRICS`.
        limits: a point that breaks one never counts.
        baselines: what limits may refer to; None takes them from `results`.
        reference: of the hypervolume; where a metric is not in it, its worst possible value, or else the worst among the candidates.
    """
    results = tuple(results)
    named = {limit.bound.baseline for limit in limits} - {None}
    known = (baselines_of(results) if named else {}) if baselines is None else baselines
    pool = configurations(results, objectives)
    unjudged = tuple(limit for limit in limits if not judgeable(limit, known))
    inside = () if unjudged else tuple(member for member in pool if all(keeps(member, limit, known) for limit in limits))
    point, note = _reference(pool, objectives, reference or {})
    directions = directions_of(objectives)
    values = values_of(inside, objectives)
    on_front = non_dominated(values, directions)
    members = [member for member, kept in zip(inside, on_front, strict=True) if kept]
    # Equal fronts are listed equally, whatever order their trials finished in.
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in directions]
    members.sort(key=lambda m: (*(sign * m.values[name] for sign, name in zip(signs, objectives, strict=True)), m.name))
    return ParetoFront(
        members=tuple(members),
        objectives=tuple(objectives),
        reference=point,
        reference_note=note,
        # Dominated points add nothing, and with three objectives and more they are nearly all of the time.
        hypervolume=hypervolume(values[on_front], [point[name] for name in objectives], directions) if members else 0.0,
        n_candidates=len(pool),
        n_outside=len(pool) - len(inside),
        unjudged=unjudged,
    )


def judgeable(limit: Constraint, baselines: Baselines) -> bool:
    """Whether the baseline that the limit names, if any, is there and has its metric."""
    name = limit.bound.baseline
    return name is None or (name in baselines and limit.metric in baselines[name].values)


def excess(member: FrontMember, limit: Constraint, baselines: Baselines) -> float:
    """How far the member is on the limit's wrong side, in the metric's unit; <= 0 keeps it, inf where the metric was not measured.

    Of a limit with `surely` it is the near end of the interval that counts.

    Raises:
        ValueError: the limit names a baseline that is not there.
    """
    if limit.metric not in member.values:
        return float("inf")
    name = limit.bound.baseline
    other = None if name is None else baselines.get(name)
    if limit.surely and (name is None or other is not None):
        return _sure(member, limit, other).value
    return limit.violation(member.values[limit.metric], None if other is None else other.values.get(limit.metric))


def how_sure(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    """By what a limit with `surely` is judged at this member, in words."""
    other = baselines.get(limit.bound.baseline) if limit.bound.baseline else None
    return _sure(member, limit, other).how


def _sure(member: FrontMember, limit: Constraint, other: FrontMember | None) -> SureExcess:
    return sure_excess(limit, member.result, member.points, *(() if other is None else (other.result, other.points)))


def keeps(member: FrontMember, limit: Constraint, baselines: Baselines) -> bool:
    """Whether the member keeps the limit; a rounding error of the bound's sum is forgiven.

    Raises:
        ValueError: as `excess`.
    """
    return excess(member, limit, baselines) <= 1e-12 * max(1.0, abs(member.values.get(limit.metric, 0.0)))


def baseline_member(results: Iterable[TrialResult], name: BaselineName = "peft") -> FrontMember | None:
    """The best-scoring configuration that `objective.BASELINES` describes, without a threshold, the one that finished first of equals;
    None where there is none.

    Raises:
        ValueError: no such baseline.
    """
    if name not in BASELINES:
        raise ValueError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    of_kind = (result for result in results if result.config.is_baseline(name))
    return max((m for m in configurations(of_kind) if m.point.is_unthresholded), key=_merit, default=None)


def better_baseline(member: FrontMember, than: FrontMember | None) -> bool:
    """Whether `member` takes the place of `than` as a baseline."""
    return than is None or _merit(member) > _merit(than)


def _merit(member: FrontMember) -> tuple[float, float, str]:
    return member.values["score"], -member.result.finished_at, member.name


def baseline_values(results: Iterable[TrialResult], name: BaselineName = "peft") -> dict[str, float] | None:
    """All metrics of `baseline_member`; None where there is none.

    Raises:
        ValueError: no such baseline.
    """
    member = baseline_member(results, name)
    return None if member is None else member.values


def baselines_of(results: Iterable[TrialResult]) -> dict[BaselineName, FrontMember]:
    """Every baseline that there is."""
    results = tuple(results)
    found = {name: baseline_member(results, name) for name in BASELINES}
    return {name: member for name, member in found.items() if member is not None}


def trade_offs(front: ParetoFront) -> tuple[TradeOff, ...]:
    """The steps from each member to the next, from the best of the first objective downwards."""
    return tuple(TradeOff(a, b, {name: b.values[name] - a.values[name] for name in front.objectives}) for a, b in pairwise(front.members))


def _reference(pool: Sequence[FrontMember], objectives: Sequence[str], given: Mapping[str, float]) -> tuple[dict[str, float], str]:
    """The reference point and a sentence that says where it comes from."""
    point: dict[str, float] = {}
    told = []
    for name, direction in zip(objectives, directions_of(objectives), strict=True):
        if name in given:
            point[name], why = given[name], "as given"
        elif name in WORST_POSSIBLE:
            point[name], why = WORST_POSSIBLE[name], "the worst possible"
        elif name == "score":
            point[name] = min((score_range(member.point.score.metric)[0] for member in pool), default=0.0)
            why = "the worst possible"
        else:
            seen = [member.values[name] for member in pool]
            worst = max if direction == "minimize" else min
            point[name], why = (worst(seen), "the worst measured in this sweep") if seen else (0.0, "nothing measured yet")
        told.append(f"{name} {point[name]:g} ({why})")
    return point, "reference point: " + ", ".join(told)
