"""The spec's limits as Optuna's constraints: how far a trial breaks each, told with its objectives.

A trial is judged at the threshold at which the search compares trials, and against the baselines as they stood when it finished; the
front judges every measured point against the baselines of the end. Limits of the policy (`choose ... where`) are not told: they choose
among what was found and do not narrow the search.
"""

from dataclasses import dataclass, field

from deft_sweeps.front.pareto import FrontMember, better_baseline, candidates, excess, judgeable, keeps
from deft_sweeps.objective import BaselineName, Constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.spec.schema import Start, SweepSpec
from deft_sweeps.spec.space import middles

NOT_MEASURED = 1.0
"""Violation of a limit whose metric the trial lacks."""


@dataclass
class LimitJudge:
    """Follows the results in the order in which they finish; a result shown twice counts once."""

    spec: SweepSpec
    _baselines: dict[BaselineName, FrontMember] = field(default_factory=dict)
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
        """Take up a result; how far it breaks each limit, as a share of the limit's value. At or below 0 is kept.

        A limit that cannot be judged yet is left out, and so counts as kept.
        """
        for name in self.needed:
            if not result.config.is_baseline(name):
                continue
            found = next((member for member in candidates([result]) if member.point.is_unthresholded), None)
            if found is None:
                self._failed.setdefault(name, {})[result.trial_id] = result.error or result.status
            elif better_baseline(found, self._baselines.get(name)):
                self._baselines[name] = found
        if result.status != "complete" or not self.spec.limits:
            return {}
        point = result.point_at(self.spec.evaluation.objective_threshold)
        member = FrontMember(result, point, result.metrics(point))
        return {str(limit): self._violation(member, limit) for limit in self.spec.limits if judgeable(limit, self._baselines)}

    def _violation(self, member: FrontMember, limit: Constraint) -> float:
        if limit.metric not in member.values:
            return NOT_MEASURED
        beyond = excess(member, limit, self._baselines)
        if keeps(member, limit, self._baselines):
            beyond = min(beyond, 0.0)
        name = limit.bound.baseline
        value = limit.bound.value + (self._baselines[name].values[limit.metric] if name else 0.0)
        return beyond / (abs(value) or 1.0)
