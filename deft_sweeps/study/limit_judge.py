"""The spec's limits as Optuna's constraints: how far a trial breaks each, told with its objectives.

A trial is judged at the threshold at which the search compares trials, and against the baselines as
they stood when it finished; the front judges every measured point against the baselines of the end.
Limits of the policy (`choose ... where`) are not told: they choose among what was found and do not
narrow the search. Nor are limits that rest on a proxy, which excludes no trial by itself.
"""

from dataclasses import dataclass, field, replace

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_check import excess, judgeable, keeps
from deft_sweeps.metrics import measured
from deft_sweeps.objective import Constraint
from deft_sweeps.result import CompleteTrial, FailedTrial, TrialResult
from deft_sweeps.specification.combination import Start, middles
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.baseline_tracker import BaselinesSoFar

NOT_MEASURED = 1.0
"""Violation of a limit whose metric the trial lacks."""
NOT_JUDGEABLE = 0.0
"""Violation of a limit whose baseline is not there yet. A number all the same, since Optuna's
Gaussian process demands every limit of every trial; at the edge, so that the trial neither counts
as broken nor makes its surroundings look safe."""


@dataclass
class LimitJudge:
    """Follows the results in the order in which they finish; a result shown twice counts once."""

    spec: SweepSpec
    _failed: dict[BaselineName, dict[str, str]] = field(default_factory=dict)
    _so_far: BaselinesSoFar = field(init=False)

    def __post_init__(self) -> None:
        self._so_far = BaselinesSoFar(self.spec.search_limits)

    @property
    def baselines(self) -> Baselines:
        """What the limits compare with, as far as it is there."""
        return self._so_far.best

    @property
    def missing(self) -> BaselineName | None:
        """The first of them that no trial has given yet and that the space can give; while there is
        one, nothing else is proposed.
        """
        return next(
            (
                name
                for name in self._so_far.names
                if name not in self.baselines and self.start(name) is not None
            ),
            None,
        )

    def start(self, name: BaselineName) -> Start | None:
        """The point that is tried for a baseline: the first of the spec's that is one, else the
        middle of a combination that is.
        """
        for start in self.spec.first:
            if self.spec.by_label[start.combination].template.is_baseline(name):
                return start
        made = (
            Start(c.label, middles(c))
            for c in self.spec.combinations
            if c.template.is_baseline(name)
        )
        return next(made, None)

    def failures(self, name: BaselineName) -> tuple[str, ...]:
        """Why trials that could have been the baseline gave nothing, one each."""
        return tuple(self._failed.get(name, {}).values())

    def forget_failures(self) -> None:
        """What failed so far may have been mended since."""
        self._failed.clear()

    def add(self, result: TrialResult) -> dict[str, float]:
        """Take up a result; how far it breaks each limit, as `violations` says."""
        self.take(result)
        return self.violations(result)

    def take(self, result: TrialResult) -> None:
        """Take up a result: it may be a baseline."""
        self._so_far.take(result)
        for name in self._so_far.names:
            if result.config.is_baseline(name) and not _has_unthresholded(result):
                self._failed.setdefault(name, {})[result.trial_id] = (
                    result.error if isinstance(result, FailedTrial) else result.status
                )

    def violations(self, result: TrialResult) -> dict[str, float]:
        """How far a complete trial breaks each limit, as a share of the limit's value, against the
        baselines as they stand now; at or below 0 is kept. Every limit is there, so that all
        complete trials have the same; nothing of a trial that is not complete.
        """
        if not isinstance(result, CompleteTrial) or not self.spec.search_limits:
            return {}
        member = self._compared(result)
        return {str(limit): self._violation(member, limit) for limit in self.spec.search_limits}

    def margins(self, result: TrialResult) -> dict[str, float]:
        """By how much `surely` tightens each limit that has it at a complete trial, in the metric's
        unit: its interval's reach. Left out where it cannot be judged, and of the baseline itself,
        which differs from itself by nothing.
        """
        if not isinstance(result, CompleteTrial):
            return {}
        member = self._compared(result)
        values: dict[str, float] = {}
        for limit in self.spec.search_limits:
            name = limit.bound.baseline
            if (
                not limit.surely
                or limit.metric not in member.values
                or not judgeable(limit, self.baselines)
            ):
                continue
            if name is None or self.baselines[name].result.config != result.config:
                merely = excess(member, replace(limit, surely=False), self.baselines)
                values[str(limit)] = excess(member, limit, self.baselines) - merely
        return values

    def _compared(self, result: CompleteTrial) -> FrontMember:
        """The point at which the search compares trials."""
        point = result.point_at(self.spec.evaluation.objective_threshold)
        return FrontMember(result, point, measured(point, result.cost))

    def _violation(self, member: FrontMember, limit: Constraint) -> float:
        if limit.metric not in member.values:
            return NOT_MEASURED
        if not judgeable(limit, self.baselines):
            return NOT_JUDGEABLE
        beyond = excess(member, limit, self.baselines)
        if keeps(member, limit, self.baselines):
            beyond = min(beyond, 0.0)
        name = limit.bound.baseline
        value = limit.bound.value + (self.baselines[name].values[limit.metric] if name else 0.0)
        return beyond / (abs(value) or 1.0)


def _has_unthresholded(result: TrialResult) -> bool:
    points = result.points if isinstance(result, CompleteTrial) else ()
    return any(point.is_unthresholded for point in points)
