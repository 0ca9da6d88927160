"""How a sweep is searched: the sampler, what the search may use, and early stopping."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes import check, check_path
from deft_sweeps.specification.sampler_entry import SAMPLERS, SamplerName

STORAGE_FILES = ("sqlite", "journal")
STORAGE_SCHEMES = ("postgresql", "mysql", "sqlite")
RankName = Literal["spread", "crowding", "hypervolume", "dominated"]


@dataclass(frozen=True, slots=True)
class Search:
    """How proposals are made.

    Attributes:
        sampler: `front`, the platform's own, learns from every threshold and rung; the others are
            Optuna's (`gp` only if every combination leaves the same parameters open); `auto` takes
            `front` unless nothing is left to search.
        startup: trials sampled at random before TPE or GP fits a model, the `first` points
            included; the population size of NSGA.
        seed: of the sampler's random draws: it decides which points are proposed, never how a
            trial is trained (`trial_seed`) or which examples it sees (the seed of `splits`).
        repeats: most seeds that one configuration gets during the search, >= 1; 1 never runs one
            twice. The `first` points and the runs of `seeds` do not count.
        storage: where the study is mirrored for Optuna's tools: `auto` and `sqlite` are `study.db`
            in the sweep's folder; or the URL of a database, `postgresql://...` or `mysql://...`.
            `journal`, which earlier versions had, means `sqlite`.
        warm_start: folders of earlier sweeps whose results are used, as finished trials if they
            are comparable, else as first points; relative ones start from the YAML's folder.
    """

    sampler: SamplerName = "auto"
    startup: int = 10
    seed: int = 0
    repeats: int = 3
    storage: str = "auto"
    warm_start: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = ("auto", *SAMPLERS)
        check(self.sampler in names, f"a sampler, one of {', '.join(names)}", self.sampler)
        check(self.startup >= 0, "startup >= 0", self.startup)
        check(self.seed >= 0, "seed >= 0", self.seed)
        check(self.repeats >= 1, "repeats >= 1", self.repeats)
        scheme = self.storage.partition("://")[0]
        is_url = "://" in self.storage and scheme.partition("+")[0] in STORAGE_SCHEMES
        # Only the scheme is shown: the rest may hold a password.
        urls = ", ".join(f"{name}://..." for name in STORAGE_SCHEMES)
        expected = f"storage as auto, {', '.join(STORAGE_FILES)}, or a URL ({urls})"
        check(self.storage in ("auto", *STORAGE_FILES) or is_url, expected, scheme)
        for folder in self.warm_start:
            check_path("each folder of warm_start", folder)
        n_folders = len(set(self.warm_start))
        check(n_folders == len(self.warm_start), "each folder of warm_start once", self.warm_start)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the sweep may use. The search stops at whichever limit it meets first.

    Attributes:
        trials: to finish, failed ones included, >= 1.
        hours: wall time after which no trial is started, > 0, over all drivers of the folder; None
            is no limit.
        gpu_hours: sum over trials of duration times gpus_per_trial after which none is started,
            > 0; needs gpus_per_trial > 0.
        cpu_hours: the same with cpus_per_trial.
        until_flat: the search stops when a further trial is expected to add less than this share
            of the front's hypervolume, in (0, 1); needs at least startup + 30 finished trials.
        concurrency: trials at a time, >= 1; None is as many as the resources allow.
        cpus_per_trial: cores, and threads of torch, a trial, >= 1.
        gpus_per_trial: a share of one GPU, in [0, 1]: a trial trains on one. None follows from the
            projected memory on a cluster that has GPUs, and is 0 elsewhere.
        max_failures: times a trial is started again after its worker or node was lost, >= 0.
        stall_minutes: a worker that reports nothing for so long is ended, and its trial goes on
            elsewhere from its checkpoint, which `max_failures` counts; > 0. None is no limit, since
            a trial is also silent while it loads its model and is measured at its end, which takes
            minutes or hours by model and machine.
        checkpoint_minutes: of training, at least, between two checkpoints of a trial, > 0. None
            follows what a checkpoint takes and how many trials run at a time
            (`sweep/checkpoint_interval`).
    """

    trials: int
    hours: float | None = None
    gpu_hours: float | None = None
    cpu_hours: float | None = None
    until_flat: float | None = None
    concurrency: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    max_failures: int = 2
    stall_minutes: float | None = None
    checkpoint_minutes: float | None = None

    def __post_init__(self) -> None:
        check(self.trials >= 1, "trials >= 1", self.trials)
        for name in ("hours", "gpu_hours", "cpu_hours", "stall_minutes", "checkpoint_minutes"):
            duration = getattr(self, name)
            check(duration is None or duration > 0, f"{name} > 0 or null", duration)
        check(
            self.until_flat is None or 0 < self.until_flat < 1,
            "until_flat in (0, 1) or null",
            self.until_flat,
        )
        check(
            self.concurrency is None or self.concurrency >= 1,
            "concurrency >= 1 or null",
            self.concurrency,
        )
        check(self.cpus_per_trial >= 1, "cpus_per_trial >= 1", self.cpus_per_trial)
        check(self.max_failures >= 0, "max_failures >= 0", self.max_failures)
        self._check_gpus()

    @property
    def gpu_share(self) -> float:
        """The share of a GPU that a trial gets: 0 also if it is not decided yet."""
        return self.gpus_per_trial or 0.0

    def _check_gpus(self) -> None:
        gpus = self.gpu_share
        check(
            0 <= gpus <= 1,
            "gpus_per_trial in [0, 1]: a trial trains on one GPU or a share of it",
            gpus,
        )
        check(
            self.gpu_hours is None or gpus > 0,
            "gpus_per_trial > 0 beside gpu_hours, or cpu_hours",
            gpus,
        )


@dataclass(frozen=True, slots=True)
class NoStopping:
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True)
class Halving:
    """Stops trials that are worse than others at the same share of their training.

    Attributes:
        eta: one in `eta` of the trials that reach a rung continues, from 2 to 1000.
        rungs: number of rungs, from 2 to 20; the last one is a trial's end, and each one before it
            comes `eta` times earlier than the next.
        rank: orders the trials at a rung: by the share of peers that dominate them (`dominated`),
            or by non-dominated layers and inside a layer by epsilon-net (`spread`, MO-ASHA),
            crowding distance or exclusive `hypervolume`.
        thresholds: measured at a rung: `all` of the sweep's, or the `objective`'s alone, which is
            cheaper.
    """

    eta: int = 3
    rungs: int = 3
    rank: RankName = "dominated"
    thresholds: Literal["all", "objective"] = "all"
    kind: Literal["halving"] = "halving"

    def __post_init__(self) -> None:
        check(self.eta >= 2, "eta >= 2", self.eta)
        check(self.eta <= 1000, "eta <= 1000", self.eta)
        check(self.rungs >= 2, "rungs >= 2", self.rungs)
        check(self.rungs <= 20, "rungs <= 20", self.rungs)

    @property
    def least_steps(self) -> int:
        """Fewest optimiser steps that give each rung a step of its own."""
        return int(self.eta ** (self.rungs - 1))

    def at(self, steps: int) -> tuple[int, ...]:
        """The rungs of a trial of `steps` steps, rising; the last one is its end."""
        return tuple(round(steps / self.eta**i) for i in reversed(range(self.rungs)))


Stopping = NoStopping | Halving
