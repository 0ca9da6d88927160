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
from typing import get_args

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study

from benchmarks.search.problem import Problem, directions, result
from benchmarks.search.simulate import Arm, Asked
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Point
from deft_sweeps.search.sampler import study_sampler
from deft_sweeps.search.space import suggest
from deft_sweeps.search.study import SEED, TRIAL_ID, tell
from deft_sweeps.spec.schema import SamplerName, SweepSpec

OURS = "ours-"


@dataclass(slots=True)
class Repeats:
    """Counts seeds up from the sweep's own where a configuration comes again."""

    first: int = 0
    _next: dict[str, int] = field(default_factory=dict)

    def seed(self, config: TrialConfig) -> int:
        seed = self._next.get(config.config_id, self.first)
        self._next[config.config_id] = seed + 1
        return seed


@dataclass
class OptunaArm:
    """Ask and tell of a study in memory, as the sweep's searcher does it: every measured point is kept beside the trial.

    Attributes:
        sampler: for the proposal after so many trials.
    """

    spec: SweepSpec
    sampler: Callable[[int], BaseSampler]
    study: Study
    repeats: Repeats
    running: dict[int, tuple[Asked, list[tuple[int, tuple[Point, ...]]]]] = field(default_factory=dict)
    n_asked: int = 0

    def ask(self) -> Asked:
        self.study.sampler = self.sampler(self.n_asked)
        self.n_asked += 1
        trial = self.study.ask()
        config = self.spec.config(suggest(trial, self.spec))
        asked = Asked(trial.number, config, self.repeats.seed(config))
        trial.set_user_attr(SEED, asked.seed)
        trial.set_user_attr(TRIAL_ID, config.trial_id(asked.seed))
        self.running[asked.number] = (asked, [])
        return asked

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        self.running[number][1].append((step, points))
        return True

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        asked, rungs = self.running.pop(number)
        tell(self.study, self.spec, number, result(asked.config, asked.seed, rungs, points))


def optuna_arm(spec: SweepSpec, sampler: Callable[[int], BaseSampler]) -> OptunaArm:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=directions(spec.objectives))
    return OptunaArm(spec, sampler, study, Repeats(spec.trial_seed))


def make_arm(name: str, problem: Problem, seed: int) -> Arm:
    """The searcher of that name, seeded.

    Raises:
        ValueError: there is none.
    """
    spec = problem.spec
    if name.startswith(OURS):
        return _ours(name.removeprefix(OURS), problem, seed)
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
    return ("random", "nsga2-50", "nsga2-12", "tpe", "tpe-group", "gp", *(f"{OURS}{name}" for name in get_args(SamplerName)))
