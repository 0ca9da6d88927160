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
    """The best configuration of each baseline that limits name.

    As on the front, means over a configuration's seeds compete. A result that is taken twice counts
    once.

    Attributes:
        limits: that name the baselines.
        best: each baseline that has been measured.
    """

    limits: Sequence[Constraint]
    best: dict[BaselineName, FrontMember] = field(default_factory=dict)
    _seeds: dict[BaselineName, dict[TrialConfig, dict[str, MeasuredTraining]]] = field(
        default_factory=dict
    )
    _means: dict[BaselineName, dict[TrialConfig, FrontMember]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[BaselineName, ...]:
        """Names of the baselines."""
        return tuple(
            dict.fromkeys(
                limit.bound.baseline for limit in self.limits if limit.bound.baseline is not None
            )
        )

    def take(self, result: TrialResult | TrainingAtRung) -> None:
        """Adds a training, if it is of a baseline and was measured without a threshold."""
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
        # Among all configurations: another seed may have made the best one worse.
        best = best_baseline(means.values())
        if best is not None:
            self.best[name] = best
