"""SweepSpec: a sweep as its YAML describes it, checked and immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import assert_never

from deft_sweeps.config.axes import Dtype
from deft_sweeps.config.data import Splits, Task
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import Constraint, Policy
from deft_sweeps.specification.combination import Combination, Excluded, Start
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.search_settings import (
    Budget,
    Halving,
    NoStopping,
    Search,
    Stopping,
)

MAX_TRIAL_SEED = 2**63 - 1 - 10_000
"""The largest `trial_seed`: repeated trainings count up from it, and torch takes 64 bits."""


@dataclass(frozen=True)
class SweepSpec:
    """A whole sweep.

    Attributes:
        objectives: names of `objective.METRICS`, at least two, that the front weighs against each
            other.
        limits: that a front member must keep.
        choose: how the configuration to ship is chosen from the front.
        combinations: the legal ones, in a fixed order, never empty.
        excluded: the illegal ones, each with the reason.
        first: points tried before the sampler proposes any.
        stopping: which trials are stopped early.
        trial_seed: seed of training (initial weights, order of batches, dropout), the same for
            every configuration; one that is trained again takes the next seed.
        seeds: a number of trainings, not a seed: each configuration of the front is trained until
            it has so many, each with a seed of its own, before the choice; 1 adds none.
        alpha: of the certificate: the probability, at most, with which a certified configuration
            breaks a limit in truth. Only with a `selection` split.
        deploy: what the choice will run in: its costs and scores are measured there; None measures
            the trial itself.
        tracking_uri: of an MLflow server; without one, a SQLite file in the sweep's folder is used.
        folder: that the relative paths of its model and data start from, absolute; empty is the
            working directory. Specs that differ in it alone are equal.
    """

    name: str
    objectives: tuple[str, ...]
    limits: tuple[Constraint, ...]
    choose: Policy
    combinations: tuple[Combination, ...]
    excluded: tuple[Excluded, ...]
    first: tuple[Start, ...]
    evaluation: Evaluation
    search: Search
    budget: Budget
    trial_seed: int = 0
    seeds: int = 1
    tracking_uri: str | None = None
    alpha: float = 0.05
    stopping: Stopping = field(default_factory=NoStopping)
    deploy: Deployment | None = None
    folder: str = field(default="", compare=False)

    @cached_property
    def by_label(self) -> Mapping[str, Combination]:
        """The combinations by their label."""
        return {combination.label: combination for combination in self.combinations}

    @property
    def rung_thresholds(self) -> tuple[float, ...]:
        """Thresholds measured at each rung of a trial; empty if nothing is stopped early."""
        match self.stopping:
            case NoStopping():
                return ()
            case Halving(thresholds="all"):
                return self.evaluation.thresholds
            case Halving():
                return (self.evaluation.objective_threshold,)
            case unknown:
                assert_never(unknown)

    @property
    def search_limits(self) -> tuple[Constraint, ...]:
        """The limits that the search itself acts on: those that do not rest on a proxy, and not
        those on costs of another runtime.
        """
        return tuple(limit for limit in self.limits if not self.is_proxy_in_search(limit.metric))

    @property
    def later_limits(self) -> tuple[Constraint, ...]:
        """The limits that are judged after the search, by what is measured alone then."""
        return tuple(limit for limit in self.limits if limit not in self.search_limits)

    def is_proxy_in_search(self, metric: str) -> bool:
        """Whether trials measure only a proxy of the metric, which is measured after the search."""
        of = METRICS[metric]
        return of.proxy_in_search or (self.deploy is not None and of.of_runtime)

    @property
    def every_limit(self) -> tuple[Constraint, ...]:
        """The limits, then the policy's own, each once."""
        return self.choose.limits_with(self.limits)

    def later_policy(self, policy: Policy) -> str:
        """A policy's text if it is not the sweep's own; otherwise empty."""
        return "" if policy == self.choose else str(policy)

    @property
    def compared(self) -> tuple[str, ...]:
        """Every metric that the sweep compares trials by or limits."""
        chosen = tuple(name for name in (self.choose.metric, self.choose.then) if name)
        limited = (limit.metric for limit in self.every_limit)
        return tuple(dict.fromkeys((*self.objectives, *chosen, *limited)))

    @property
    def task(self) -> Task:
        """Of every trial."""
        return self.combinations[0].template.task

    @property
    def splits(self) -> Splits:
        """Sizes of the task's splits."""
        return self.task.splits

    @property
    def dtype(self) -> Dtype:
        """Of every trial."""
        return self.combinations[0].template.dtype

    def with_dtype(self, dtype: Dtype) -> "SweepSpec":
        """The same sweep in another dtype."""
        combinations = tuple(
            replace(c, template=replace(c.template, dtype=dtype)) for c in self.combinations
        )
        return replace(self, combinations=combinations)

    def config(self, start: Start) -> TrialConfig:
        """The configuration of a point of this sweep's space."""
        return self.by_label[start.combination].config(start.values)

    def locate(self, config: TrialConfig) -> Start | None:
        """The point that gives `config`, the inverse of `config()`; None if no point does."""
        for combination in self.combinations:
            values = combination.values(config)
            if values is not None:
                return Start(combination.label, values)
        return None
