"""The spec's limits as Optuna's constraints: how far a trial breaks each, told with its objectives.

A trial is judged at the threshold at which the search compares trials, and against the baselines as they stood when it finished; the
front judges every measured point against the baselines of the end. Limits of the policy (`choose ... where`) are not told: they choose
among what was found and do not narrow the search.
"""

from dataclasses import dataclass, field, replace

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front.pareto import FrontMember, better_baseline, configurations, excess, judgeable, keeps
from deft_sweeps.objective import BaselineName, Constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.spec.schema import Start, SweepSpec
from deft_sweeps.spec.space import middles

NOT_MEASURED = 1.0
"""Violation of a limit whose metric the trial lacks."""
NOT_JUDGEABLE = 0.0
"""Violation of a limit whose baseline is not there yet. A number all the same, since Optuna's Gaussian process demands every limit of every
trial; at the edge, so that the trial neither counts as broken nor makes its surroundings look safe."""


@dataclass
class LimitJudge:
    """Follows the results in the order in which they finish; a result shown twice counts once."""

    spec: SweepSpec
    _baselines: dict[BaselineName, FrontMember] = field(default_factory=dict)
    _seeds: dict[BaselineName, dict[TrialConfig, dict[str, TrialResult]]] = field(default_factory=dict)
    _means: dict[BaselineName, dict[TrialConfig, FrontMember]] = field(default_factory=dict)
    _failed: dict[BaselineName, dict[str, str]] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[BaselineName, ...]:
        """The baselines that the limits compare with."""
        return tuple(dict.fromkeys(limit.bound.baseline for limit in self.spec.limits if limit.bound.baseline is not None))

    @property
    def missing(self) -> BaselineName | None:
        """The first of them that no trial has given yet and that the space can give; while there is one, nothing else is proposed."""
        return next((name for name in self.needed if name not in self._baselines and self.start(name) is not None), None)

    def start(self, name: BaselineName) -> Start | None:
        """The point that is tried for a baseline: the first of the spec's that is one, else the middle of a combination that is."""
        for start in self.spec.first:
            if self.spec.by_label[start.combination].template.is_baseline(name):
                return start
        made = (Start(c.label, middles(c)) for c in self.spec.combinations if c.template.is_baseline(name))
        return next(made, None)

    def failures(self, name: BaselineName) -> tuple[str, ...]:
        """Why trials that could have been the baseline gave nothing, one each."""
        return tuple(self._failed.get(name, {}).values())

    def add(self, result: TrialResult) -> dict[str, float]:
        """Take up a result; how far it breaks each limit, as `violations` says."""
        self.take(result)
        return self.violations(result)

    def take(self, result: TrialResult) -> None:
        """Take up a result: it may be a baseline."""
        for name in self.needed:
            if not result.config.is_baseline(name):
                continue
            if any(point.is_unthresholded for point in result.points):
                self._take(name, result)
            else:
                self._failed.setdefault(name, {})[result.trial_id] = result.error or result.status

    def violations(self, result: TrialResult) -> dict[str, float]:
        """How far a complete trial breaks each limit, as a share of the limit's value, against the baselines as they stand now; at or below
        0 is kept. Every limit is there, so that all complete trials have the same; nothing of a trial that is not complete."""
        if result.status != "complete" or not self.spec.limits:
            return {}
        point = result.point_at(self.spec.evaluation.objective_threshold)
        member = FrontMember(result, point, result.metrics(point))
        return {str(limit): self._violation(member, limit) for limit in self.spec.limits}

    def margins(self, result: TrialResult) -> dict[str, float]:
        """By how much `surely` tightens each limit that has it at a complete trial, in the metric's unit: its interval's reach. Left out
        where it cannot be judged, and of the baseline itself, which differs from itself by nothing."""
        if result.status != "complete":
            return {}
        point = result.point_at(self.spec.evaluation.objective_threshold)
        member = FrontMember(result, point, result.metrics(point))
        found: dict[str, float] = {}
        for limit in self.spec.limits:
            name = limit.bound.baseline
            if not limit.surely or limit.metric not in member.values or not judgeable(limit, self._baselines):
                continue
            if name is None or self._baselines[name].result.config != result.config:
                merely = excess(member, replace(limit, surely=False), self._baselines)
                found[str(limit)] = excess(member, limit, self._baselines) - merely
        return found

    def _take(self, name: BaselineName, result: TrialResult) -> None:
        """One more seed of a configuration that may be the baseline: as on the front, means over seeds compete."""
        examples = any(limit.surely for limit in self.spec.limits)
        points = (point if examples else replace(point, example_scores=()) for point in result.points if point.is_unthresholded)
        seeds = self._seeds.setdefault(name, {}).setdefault(result.config, {})
        seeds[result.trial_id] = replace(result, points=tuple(points), rungs=())
        means = self._means.setdefault(name, {})
        (means[result.config],) = configurations(seeds.values())
        best = self._baselines.get(name)
        if best is None or best.result.config == result.config:  # Another seed may have made the best one worse.
            best = None
            for mean in means.values():
                best = mean if better_baseline(mean, best) else best
        elif better_baseline(means[result.config], best):
            best = means[result.config]
        if best is not None:
            self._baselines[name] = best

    def _violation(self, member: FrontMember, limit: Constraint) -> float:
        if limit.metric not in member.values:
            return NOT_MEASURED
        if not judgeable(limit, self._baselines):
            return NOT_JUDGEABLE
        beyond = excess(member, limit, self._baselines)
        if keeps(member, limit, self._baselines):
            beyond = min(beyond, 0.0)
        name = limit.bound.baseline
        value = limit.bound.value + (self._baselines[name].values[limit.metric] if name else 0.0)
        return beyond / (abs(value) or 1.0)
