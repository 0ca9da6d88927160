"""The searchers: each by name, behind the simulation's one interface.

random          Optuna's random sampling
nsga2-50, -12   Optuna's NSGA-II with its default population, and with a small one
tpe             Optuna's TPE as it comes
tpe-group       multivariate, with groups
gp              Optuna's Gaussian processes
ray, ray-asha   Ray Tune's OptunaSearch, alone and beside its ASHAScheduler
mo-asha         Syne Tune's, in an environment of its own
ours-NAME       this project's search with the sampler NAME of a spec; ours-NAME+halving stops trials early
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study

from benchmarks.search.problem import Problem, directions, result
from benchmarks.search.repeats import Repeats
from benchmarks.search.simulate import Arm, Asked
from benchmarks.search.synetune import ENVIRONMENT, synetune_arm
from deft_sweeps.result import Point
from deft_sweeps.search.sampler import study_sampler
from deft_sweeps.search.space import suggest
from deft_sweeps.search.study import SEED, TRIAL_ID, tell
from deft_sweeps.spec.schema import SamplerName, SweepSpec

OURS = "ours-"
MO_ASHA = ("mo-asha", "mo-asha-mended")


@dataclass
class OptunaArm:
    """Ask and tell of a study in memory, as the sweep's searcher does it: a trial's points at all thresholds are kept beside it.

    Attributes:
        sampler: for the proposal after so many trials.
    """

    spec: SweepSpec
    sampler: Callable[[int], BaseSampler]
    study: Study
    repeats: Repeats
    running: dict[int, Asked] = field(default_factory=dict)
    n_asked: int = 0

    def ask(self) -> Asked:
        self.study.sampler = self.sampler(self.n_asked)
        self.n_asked += 1
        trial = self.study.ask()
        config = self.spec.config(suggest(trial, self.spec))
        asked = Asked(trial.number, config, self.repeats.seed(config))
        trial.set_user_attr(SEED, asked.seed)
        trial.set_user_attr(TRIAL_ID, config.trial_id(asked.seed))
        self.running[asked.number] = asked
        return asked

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        return True  # And is not measured: a sweep measures rungs where it stops trials at them.

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        asked = self.running.pop(number)
        tell(self.study, self.spec, number, result(asked.config, asked.seed, (), points))

    def close(self) -> None:
        """Nothing is open."""


def optuna_arm(spec: SweepSpec, sampler: Callable[[int], BaseSampler]) -> OptunaArm:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=directions(spec.objectives))
    return OptunaArm(spec, sampler, study, Repeats(spec.trial_seed))


def make_arm(name: str, problem: Problem, seed: int, synetune: Path = ENVIRONMENT) -> Arm:
    """The searcher of that name, seeded; `synetune` is the environment of Syne Tune.

    Raises:
        ValueError: there is none.
    """
    spec = problem.spec
    if name.startswith(OURS):
        return _ours(name.removeprefix(OURS), problem, seed)
    if name in ("ray", "ray-asha"):
        from benchmarks.search.ray_tune import ray_arm

        return ray_arm(spec, problem.rungs, seed, asha=name == "ray-asha")
    if name in MO_ASHA:
        return synetune_arm(spec, problem.rungs, seed, synetune, mended=name == "mo-asha-mended")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "random":
                sampler: BaseSampler = RandomSampler(seed=seed)
            case "nsga2-50":
                sampler = NSGAIISampler(seed=seed)
            case "nsga2-12":
                sampler = NSGAIISampler(population_size=12, seed=seed)
            case "tpe":
                sampler = TPESampler(seed=seed)
            case "tpe-group":
                sampler = TPESampler(multivariate=True, group=True, seed=seed)
            case "gp":
                sampler = GPSampler(seed=seed)
            case _:
                raise ValueError(f"expected one of {', '.join(names())}, got {name!r}")
    return optuna_arm(spec, lambda _: sampler)


def _ours(name: str, problem: Problem, seed: int) -> Arm:
    picked = next((known for known in get_args(SamplerName) if known == name), None)
    if picked is None:
        raise ValueError(f"expected a sampler among {', '.join(get_args(SamplerName))}, got {name!r}")
    spec = replace(problem.spec, search=replace(problem.spec.search, sampler=picked, seed=seed))
    sampler = study_sampler(spec)
    return optuna_arm(spec, lambda _: sampler)


def names() -> tuple[str, ...]:
    """Every searcher that can be named."""
    return (
        "random",
        "nsga2-50",
        "nsga2-12",
        "tpe",
        "tpe-group",
        "gp",
        "ray",
        "ray-asha",
        "mo-asha",
        *(f"{OURS}{name}" for name in get_args(SamplerName)),
    )
