"""The searchers: each by name, behind the simulation's one interface.

random          Optuna's random sampling
nsga2-50, -12   Optuna's NSGA-II with its default population, and with a small one
tpe             Optuna's TPE as it comes
tpe-group       multivariate, with groups
gp              Optuna's Gaussian processes
ray, ray-asha   Ray Tune's OptunaSearch, alone and beside its ASHAScheduler
mo-asha         Syne Tune's, in an environment of its own
informed        on tables: a yardstick, which knows the model of their truth
ours-NAME       this project's search with the sampler NAME of a spec; with +halving it stops
                trials early
"""

import sys
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study

from benchmarks.search.informed import InformedArm
from benchmarks.search.problem import Problem, directions, result
from benchmarks.search.simulate import Arm, Asked
from benchmarks.search.synetune import ENVIRONMENT, synetune_arm
from benchmarks.search.table import Table
from deft_sweeps.result import Point, Rung
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.search.repeats import Taken, ask
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Halving, NoStopping
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import EarlyStopping
from deft_sweeps.study.optuna_study import SEED, TRIAL_ID, tell
from deft_sweeps.study.parameters import suggest

OURS = "ours-"
INFORMED = "informed"
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
MO_ASHA = ("mo-asha", "mo-asha-mended")


@dataclass
class OptunaArm:
    """Ask and tell of a study in memory, as the sweep's searcher does it: a trial's points at all
    thresholds are kept beside it.

    Attributes:
        early: decides at rungs; measures none where the spec stops nothing early.
        taken: says how often a configuration may come again; the others' samplers are let be.
    """

    spec: SweepSpec
    study: Study
    early: EarlyStopping
    taken: Taken
    running: dict[int, Asked] = field(default_factory=dict)

    def ask(self) -> Asked | None:
        trial = ask(self.study, self.spec, self.taken)
        if trial is None:
            return None
        config = self.spec.config(suggest(trial, self.spec))
        asked = Asked(trial.number, config, self.taken.next_seed(config, self.spec.trial_seed))
        trial.set_user_attr(SEED, asked.seed)
        trial.set_user_attr(TRIAL_ID, config.trial_id(asked.seed))
        self.taken.update([config.trial_id(asked.seed)])
        self.running[asked.number] = asked
        return asked

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        if not self.spec.rung_thresholds:
            return True
        asked = self.running[number]
        return self.early.goes_on(number, asked.config, asked.seed, Rung(step=step, points=points))

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        asked = self.running.pop(number)
        trial_id = asked.config.trial_id(asked.seed)
        tell(
            self.study,
            self.spec,
            number,
            result(asked.config, asked.seed, self.early.rungs(trial_id), points),
        )
        self.early.forget(trial_id)

    def close(self) -> None:
        """Nothing is open."""


def optuna_arm(spec: SweepSpec, sampler: BaseSampler, repeats: int = sys.maxsize) -> OptunaArm:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=directions(spec.objectives), sampler=sampler)
    return OptunaArm(spec, study, EarlyStopping(spec, study, (), _complain), Taken((), repeats))


def _complain(sentence: str) -> None:
    raise RuntimeError(sentence)


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
    if name == INFORMED:
        if not isinstance(problem, Table):
            raise ValueError(f"{INFORMED} is for tables, got {problem.name}")
        return InformedArm(problem, seed)
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
                sampler = GPSampler(seed=seed, warn_independent_sampling=False)
            case _:
                raise ValueError(f"expected one of {', '.join(names())}, got {name!r}")
    return optuna_arm(spec, sampler)


def _ours(name: str, problem: Problem, seed: int) -> Arm:
    sampler, _, halved = name.partition("+")
    picked = next((known for known in SAMPLERS if known == sampler), None)
    if picked is None or halved not in ("", "halving"):
        raise ValueError(f"expected one of {', '.join(names())}, got {OURS + name!r}")
    search = replace(problem.spec.search, sampler=picked, seed=seed)
    spec = replace(problem.spec, search=search, stopping=Halving() if halved else NoStopping())
    if isinstance(spec.stopping, Halving) and spec.stopping.at(problem.rungs[-1]) != problem.rungs:
        raise ValueError(
            f"{problem.name} was measured at steps {problem.rungs}, not where the spec's halving"
            " looks"
        )
    return optuna_arm(spec, study_sampler(spec), spec.search.repeats)


def is_rival(name: str) -> bool:
    """Whether a searcher has nothing of this project in it."""
    return not name.startswith(OURS) and name != INFORMED


def names() -> tuple[str, ...]:
    """Every searcher that can be named."""
    ours = (f"{OURS}{name}{halved}" for name in SAMPLERS for halved in ("", "+halving"))
    return (
        "random",
        "nsga2-50",
        "nsga2-12",
        "tpe",
        "tpe-group",
        "gp",
        "ray",
        "ray-asha",
        *MO_ASHA,
        INFORMED,
        *ours,
    )
