"""SweepSpec: the sweep as it was asked for, checked; and the step from a proposal to a TrialConfig."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, assert_never

from deft_sweeps.config.axes import Dtype, check
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.objective import Constraint, Policy
from deft_sweeps.spec.domain import Choice, Domain, Float, Int, Value, contains, show

SamplerName = Literal["front", "tpe", "nsga2", "nsga3", "gp", "random", "auto"]
STORAGE_FILES = ("sqlite", "journal")
STORAGE_SCHEMES = ("postgresql", "mysql", "sqlite")
RankName = Literal["spread", "crowding", "hypervolume", "dominated"]
MAX_TRIAL_SEED = 2**63 - 1 - 10_000
"""Seeds of a configuration count up from the spec's, and torch takes 64 bits."""


@dataclass(frozen=True)
class Combination:
    """One legal choice of a member on every axis, with the numeric settings that it leaves open.

    Attributes:
        label: unique in the sweep and readable, `relu lora loss nf4 none` say; the value of the search's one categorical.
        open: parameter name (`density.loss.weight`, `training.learning_rate`) to its domain; never a Const. The same name always
            has the same domain in a sweep.
        template: the configuration with the middle of its domain in every open place.
    """

    label: str
    open: Mapping[str, Domain]
    template: TrialConfig

    def config(self, values: Mapping[str, Value]) -> TrialConfig:
        """The configuration with `values` for every open parameter.

        Raises:
            ValueError: a value is missing, not open here, or not of its domain.
        """
        if values.keys() != self.open.keys():
            raise ValueError(f"{self.label}: expected values for {sorted(self.open)}, got {sorted(values)}")
        changes: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            domain = self.open[name]
            if not contains(domain, value):
                raise ValueError(f"{name}: expected {show(domain)}, got {value!r}")
            axis, field = _place(name)
            changes.setdefault(axis, {})[field] = float(value) if isinstance(domain, Float) and isinstance(value, int) else value
        axes: dict[str, Any] = {axis: replace(getattr(self.template, axis), **fields) for axis, fields in changes.items()}
        return replace(self.template, **axes)

    def values(self, config: TrialConfig) -> dict[str, Value] | None:
        """The values for which `self.config(values) == config`; None where there are none."""
        open_axes = {_place(name)[0] for name in self.open}
        if any(getattr(config, f.name) != getattr(self.template, f.name) for f in fields(config) if f.name not in open_axes):
            return None
        found = {}
        for name, domain in self.open.items():
            axis, field = _place(name)
            value = getattr(getattr(config, axis), field, None)
            if not contains(domain, value):
                return None
            found[name] = value
        return found if self.config(found) == config else None


def _place(name: str) -> tuple[str, str]:
    """Axis and field of a parameter's name: `density.loss.weight` is the field `weight` of `density`."""
    parts = name.split(".")
    return parts[0], parts[-1]


def fewest_steps(combination: Combination) -> int:
    """Optimiser steps of the shortest trial that the combination allows."""
    match combination.open.get("training.steps"):
        case Int(low=low):
            return low
        case Choice(values):
            return min(value for value in values if isinstance(value, int))
        case _:
            return combination.template.training.steps


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
        sampler: `front`, the platform's own, which learns from every threshold and rung; Optuna's multi-objective TPE, NSGA-II, NSGA-III,
            Gaussian process (`gp`: only where every combination leaves the same parameters open) or random sampling; `auto` takes `front`
            wherever there is something to search, and says so.
        startup: trials sampled at random before TPE or GP models anything, the `first` points included; the population of NSGA.
        seed: of the sampler.
        repeats: most seeds that one configuration gets while searching, >= 1; 1 never runs one twice. `first` points and the spec's
            `seeds` are not held to it.
        storage: where the study is kept: `sqlite` and `journal` (for shared file systems) are files in the sweep's folder, of which `auto`
            takes SQLite up to 1,000 trials; else the URL of a database, `postgresql://...` or `mysql://...`.
        warm_start: folders of earlier sweeps whose results are used: as finished trials where they compare, else as first points.
    """

    sampler: SamplerName = "auto"
    startup: int = 10
    seed: int = 0
    repeats: int = 3
    storage: str = "auto"
    warm_start: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self.startup >= 0, "startup >= 0", self.startup)
        check(self.seed >= 0, "seed >= 0", self.seed)
        check(self.repeats >= 1, "repeats >= 1", self.repeats)
        scheme = self.storage.partition("://")[0]
        # Only the scheme is shown: the rest may hold a password.
        urls = ", ".join(f"{name}://..." for name in STORAGE_SCHEMES)
        known = self.storage in ("auto", *STORAGE_FILES) or ("://" in self.storage and scheme.partition("+")[0] in STORAGE_SCHEMES)
        check(known, f"storage as auto, {', '.join(STORAGE_FILES)}, or a URL ({urls})", scheme)
        check(len(set(self.warm_start)) == len(self.warm_start), "each folder of warm_start once", self.warm_start)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the sweep may use. The search stops at whichever limit it meets first.

    Attributes:
        trials: to finish, failed ones included, >= 1.
        hours: of wall time after which no trial is started, > 0, those of earlier drivers on the folder counted; None is no limit.
        gpu_hours: sum over trials of their duration times gpus_per_trial after which none is started, > 0; needs gpus_per_trial > 0.
        cpu_hours: the same with cpus_per_trial.
        until_flat: the search stops when a further trial is expected to add less than this share of the front's hypervolume, in (0, 1);
            needs at least startup + 30 finished trials.
        concurrency: trials at a time, >= 1; None is as many as the resources allow.
        cpus_per_trial: cores, and threads of torch, a trial, >= 1.
        gpus_per_trial: a share of one, in [0, 1], or a whole number.
        max_failures: times a trial is taken up again after its worker or node was lost, >= 0.
    """

    trials: int
    hours: float | None = None
    gpu_hours: float | None = None
    cpu_hours: float | None = None
    until_flat: float | None = None
    concurrency: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float = 0.0
    max_failures: int = 2

    def __post_init__(self) -> None:
        check(self.trials >= 1, "trials >= 1", self.trials)
        check(self.hours is None or self.hours > 0, "hours > 0 or null", self.hours)
        check(self.concurrency is None or self.concurrency >= 1, "concurrency >= 1 or null", self.concurrency)
        check(self.cpus_per_trial >= 1, "cpus_per_trial >= 1", self.cpus_per_trial)
        check(self.gpus_per_trial >= 0, "gpus_per_trial >= 0", self.gpus_per_trial)
        whole = self.gpus_per_trial <= 1 or float(self.gpus_per_trial).is_integer()
        check(whole, "gpus_per_trial as a share of one GPU, at most 1, or a whole number", self.gpus_per_trial)
        check(self.gpu_hours is None or self.gpu_hours > 0, "gpu_hours > 0 or null", self.gpu_hours)
        check(self.gpu_hours is None or self.gpus_per_trial > 0, "gpus_per_trial > 0 beside gpu_hours, or cpu_hours", self.gpus_per_trial)
        check(self.cpu_hours is None or self.cpu_hours > 0, "cpu_hours > 0 or null", self.cpu_hours)
        check(self.until_flat is None or 0 < self.until_flat < 1, "until_flat in (0, 1) or null", self.until_flat)
        check(self.max_failures >= 0, "max_failures >= 0", self.max_failures)


@dataclass(frozen=True, slots=True)
class NoStopping:
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True)
class Halving:
    """Trials that are behind others at the same share of their training end there.

    Attributes:
        eta: of those that reach a rung one in `eta` goes on, >= 2.
        rungs: how many there are, >= 2; the last one is a trial's end, each one before it `eta` times earlier than the next.
        rank: what orders the trials at a rung: the share of peers that dominate (`dominated`), or non-dominated layers, inside them by
            epsilon-net (`spread`, MO-ASHA), crowding distance or exclusive `hypervolume`.
        thresholds: measured at a rung: all that the sweep names, or the objective's alone, which is cheaper.
    """

    eta: int = 3
    rungs: int = 3
    rank: RankName = "dominated"
    thresholds: Literal["all", "objective"] = "all"
    kind: Literal["halving"] = "halving"

    def __post_init__(self) -> None:
        check(self.eta >= 2, "eta >= 2", self.eta)
        check(self.rungs >= 2, "rungs >= 2", self.rungs)

    @property
    def least_steps(self) -> int:
        """Optimiser steps below which a trial has no room for the rungs."""
        return int(self.eta ** (self.rungs - 1))

    def at(self, steps: int) -> tuple[int, ...]:
        """The rungs of a trial of `steps` steps, rising; the last one is its end."""
        return tuple(round(steps / self.eta**i) for i in reversed(range(self.rungs)))


Stopping = NoStopping | Halving


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
        stopping: which trials are stopped early.
        trial_seed: seed of every trial's training; a repeated configuration counts up from it.
        seeds: that each configuration of the front is to have before the choice; 1 runs none again.
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
    seeds: int = 1
    tracking_uri: str | None = None
    stopping: Stopping = NoStopping()

    @cached_property
    def by_label(self) -> Mapping[str, Combination]:
        return {combination.label: combination for combination in self.combinations}

    @property
    def rung_thresholds(self) -> tuple[float, ...]:
        """Thresholds at which a trial is measured on its way; none where nothing is stopped early."""
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
        """The limits that the search itself acts on: those that do not rest on a proxy."""
        return tuple(limit for limit in self.limits if not limit.rests_on_proxy)

    @property
    def compared(self) -> tuple[str, ...]:
        """Every metric that the sweep compares trials by or limits."""
        chosen = (self.choose.metric,) if self.choose.metric else ()
        limited = (limit.metric for limit in (*self.limits, *self.choose.where))
        return tuple(dict.fromkeys((*self.objectives, *chosen, *limited)))

    @property
    def dtype(self) -> Dtype:
        """Of every trial."""
        return self.combinations[0].template.dtype

    def with_dtype(self, dtype: Dtype) -> "SweepSpec":
        """The same in another dtype."""
        return replace(self, combinations=tuple(replace(c, template=replace(c.template, dtype=dtype)) for c in self.combinations))

    def config(self, start: Start) -> TrialConfig:
        """The configuration that a point of this sweep's space stands for."""
        return self.by_label[start.combination].config(start.values)

    def locate(self, config: TrialConfig) -> Start | None:
        """The point of this sweep's space that stands for `config`, the inverse of `config()`; None where the space lacks it."""
        for combination in self.combinations:
            values = combination.values(config)
            if values is not None:
                return Start(combination.label, values)
        return None
