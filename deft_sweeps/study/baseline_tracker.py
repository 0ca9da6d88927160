"""The baselines that limits compare with, followed while results come in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import best_baseline
from deft_sweeps.findings.front_member import FrontMember, MeasuredTraining, configurations
from deft_sweeps.objective import Constraint
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.result import TrainingAtRung, TrialResult


@dataclass
class BaselinesSoFar:
    """As on the front, the means over a configuration's seeds compete; a result shown twice counts
    once.

    Attributes:
        limits: name the baselines that are followed.
        best: the baselines that there are.
    """

    limits: Sequence[Constraint]
    best: dict[BaselineName, FrontMember] = field(default_factory=dict)
    _seeds: dict[BaselineName, dict[TrialConfig, dict[str, MeasuredTraining]]] = field(
        default_factory=dict
    )
    _means: dict[BaselineName, dict[TrialConfig, FrontMember]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[BaselineName, ...]:
        """Those that the limits compare with."""
        return tuple(
            dict.fromkeys(
                limit.bound.baseline for limit in self.limits if limit.bound.baseline is not None
            )
        )

    def take(self, result: TrialResult | TrainingAtRung) -> None:
        """Take up a training that was measured without a threshold, if it may be one of them."""
        if not isinstance(result, MeasuredTraining):
            return
        for name in self.names:
            if result.config.is_baseline(name) and any(
                point.is_unthresholded for point in result.points
            ):
                self._take(name, result)

    def _take(self, name: BaselineName, result: MeasuredTraining) -> None:
        examples = any(limit.surely for limit in self.limits)
        points = (
            point if examples else replace(point, example_scores=NO_SCORES)
            for point in result.points
            if point.is_unthresholded
        )
        seeds = self._seeds.setdefault(name, {}).setdefault(result.config, {})
        seeds[result.trial_id] = replace(result, points=tuple(points))
        means = self._means.setdefault(name, {})
        (means[result.config],) = configurations(seeds.values())
        # Of all: another seed may have made the best one worse.
        best = best_baseline(means.values())
        if best is not None:
            self.best[name] = best
