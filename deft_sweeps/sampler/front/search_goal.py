"""What the sampler aims for: the objectives, within the sweep's limits."""

from bisect import insort
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.front import non_dominated
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.sampler.front.array_type import Bools, Floats
from deft_sweeps.sampler.front.observation import ObservedTraining
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import modelled
from deft_sweeps.study.parameters import Key, key_of

_UNTHRESHOLDED = 0
"""`Observation.threshold_index` of the threshold 0."""


@dataclass(frozen=True)
class Goal:
    """Objectives and limits on modelled metrics.

    Attributes:
        names: modelled metrics, the objectives first.
        n_objectives: number of objectives m.
        bounds: each limit with its bound in the metric's unit, the margin of `surely` included; a
            limit whose baseline is not measured yet is left out.
    """

    names: tuple[str, ...]
    n_objectives: int
    bounds: tuple[tuple[Constraint, float], ...]

    @property
    def signs(self) -> Floats:
        """1 for an objective that is maximised, -1 for one that is minimised, shape (m,)."""
        objectives = self.names[: self.n_objectives]
        signs = [1.0 if METRICS[name].direction == "maximize" else -1.0 for name in objectives]
        return np.array(signs)

    def is_feasible(self, values: Floats) -> Bools:
        """Whether each point is within every limit.

        Args:
            values: modelled metrics, shape (..., metrics).

        Returns:
            Shape (...).
        """
        feasible = np.ones(values.shape[:-1], dtype=bool)
        for limit, bound in self.bounds:
            value = values[..., self.names.index(limit.metric)]
            feasible &= (value <= bound) if limit.relation == "<=" else (value >= bound)
        return feasible

    def is_non_dominated(self, values: Floats) -> Bools:
        """Whether no other point dominates it; values of shape (n, metrics), result (n,)."""
        maximised = values[:, : self.n_objectives] * self.signs
        return non_dominated(maximised, ["maximize"] * self.n_objectives)


class GoalTracker:
    """Follows what the limits' bounds depend on: baselines and the margins of `surely`."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._names = modelled(spec)
        self._of_seeds: dict[Key, list[tuple[float, ...]]] = {}
        self._means: dict[BaselineName, dict[Key, tuple[float, ...]]] = {}
        self._baselines: dict[BaselineName, tuple[float, ...]] = {}
        self._margins: dict[str, list[float]] = {}

    def add(self, training: ObservedTraining) -> None:
        """Takes up a training that ended."""
        for limit, margin in training.margins.items():
            insort(self._margins.setdefault(limit, []), margin)
        baselines = self._baselines_of(training)
        unthresholded = (p for p in training.final if p.threshold_index == _UNTHRESHOLDED)
        point = next(unthresholded, None)
        if point is None or not training.is_own or not baselines:
            return
        key = key_of(training.configuration)
        seeds = self._of_seeds.setdefault(key, [])
        seeds.append(point.values)
        score = self._names.index(SCORE.name)
        for name in baselines:
            means = self._means.setdefault(name, {})
            means[key] = tuple(fmean(column) for column in zip(*seeds, strict=True))
            self._baselines[name] = max(means.values(), key=lambda mean: mean[score])

    def goal(self) -> Goal:
        """The goal by what is measured so far."""
        bounds = ((limit, self._bound(limit)) for limit in self._spec.search_limits)
        defined = tuple((limit, bound) for limit, bound in bounds if bound is not None)
        return Goal(self._names, len(self._spec.objectives), defined)

    def _baselines_of(self, training: ObservedTraining) -> set[BaselineName]:
        """The limits' baselines that the training's configuration can be."""
        template = self._spec.by_label[training.configuration.combination].template
        names = {limit.bound.baseline for limit in self._spec.search_limits if limit.bound.baseline}
        return {name for name in names if template.is_baseline(name)}

    def _bound(self, limit: Constraint) -> float | None:
        # The model predicts values, not their intervals. `surely` demands more than the value: this
        # adds the median of what it demanded so far.
        margins = self._margins.get(str(limit), ())
        sign = 1.0 if limit.relation == ">=" else -1.0
        bound = limit.bound.value + (median(margins) if margins else 0.0) * sign
        name = limit.bound.baseline
        if name is None:
            return bound
        if name not in self._baselines:
            return None
        return bound + self._baselines[name][self._names.index(limit.metric)]
