"""SweepSpec: the sweep as it was asked for, checked; and the step from a proposal to a TrialConfig."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.objective import Constraint, Policy
from deft_sweeps.spec.domain import Domain, Value

SamplerName = Literal["tpe", "nsga2", "random"]


@dataclass(frozen=True)
class Combination:
    """One legal choice of a member on every axis, with the numeric settings that it leaves open.

    Attributes:
        label: unique in the sweep and readable, `relu lora loss nf4 none` say; the value of the search's one categorical.
        open: parameter name (`density.loss.weight`, `training.learning_rate`) to its domain; never a Const. The same name always
            has the same domain in a sweep.
    """

    label: str
    open: Mapping[str, Domain]
    fixed: Mapping[str, object]

    def config(self, values: Mapping[str, Value]) -> TrialConfig:
        """The configuration with `values` for every open parameter.

        Raises:
            ValueError: a value is missing or not of its domain.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Excluded:
    """A combination that will not run, and why."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """A point the search must try first."""

    combination: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Search:
    """How proposals are made.

    Attributes:
        sampler: Optuna's multi-objective TPE, NSGA-II or random sampling.
        startup: trials sampled at random before TPE models anything, the `first` points included.
        seed: of the sampler.
    """

    sampler: SamplerName = "tpe"
    startup: int = 10
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What the sweep may use.

    Attributes:
        trials: to finish, failed ones included, >= 1.
        hours: of wall time after which no trial is started; None is no limit.
        concurrency: trials at a time; None is as many as the resources allow.
        cpus_per_trial: cores, and threads of torch, a trial, >= 1.
        gpus_per_trial: may be a fraction; >= 0.
        max_failures: times a trial is taken up again after its worker or node was lost, >= 0.
    """

    trials: int
    hours: float | None = None
    concurrency: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float = 0.0
    max_failures: int = 2


@dataclass(frozen=True)
class SweepSpec:
    """A whole sweep.

    Attributes:
        objectives: names of `objective.METRICS`, at least two.
        limits: that a front member must keep.
        choose: how the configuration to ship is chosen from the front.
        combinations: the legal ones, in a fixed order, never empty.
        excluded: the illegal ones, each with the reason.
        first: points tried before the sampler's own.
        trial_seed: seed of every trial's training; a repeated configuration counts up from it.
        tracking_uri: of an MLflow server; None keeps a SQLite store in the sweep's folder.
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
    tracking_uri: str | None = None

    @cached_property
    def by_label(self) -> Mapping[str, Combination]:
        return {combination.label: combination for combination in self.combinations}

    def config(self, start: Start) -> TrialConfig:
        """The configuration that a point of this sweep's space stands for."""
        return self.by_label[start.combination].config(start.values)
