"""The searchers by name, behind the interface of the simulation.

random          Optuna's random sampling
nsga2-50, -12   Optuna's NSGA-II with its default population, and with a small one
tpe             Optuna's TPE with its defaults
tpe-group       Optuna's TPE, multivariate and with groups
gp              Optuna's Gaussian processes
ray, ray-asha   Ray Tune's OptunaSearch, alone and with its ASHAScheduler
mo-asha         Syne Tune's MO-ASHA, in an environment of its own
informed        on tables only: a yardstick that knows the model of the truth
ours-NAME       this project's search with the sampler NAME of a spec
ours-NAME+halving   the same with early stopping
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks.search.informed import InformedArm
from benchmarks.search.problem import Problem, result
from benchmarks.search.simulate import Arm, Proposal
from benchmarks.search.synetune import ENVIRONMENT, synetune_arm
from benchmarks.search.table import Table
from deft_sweeps.result import Point, Rung
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.search.repeats import RepeatLimit, ask
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Halving, NoStopping
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import EarlyStopping
from deft_sweeps.study.pending import PendingTrials, in_memory
from deft_sweeps.study.sweep_study import SweepStudy

OURS = "ours-"
INFORMED = "informed"
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
MO_ASHA = ("mo-asha", "mo-asha-mended")
OPTUNA_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "random": RandomSampler,
    "nsga2-50": NSGAIISampler,
    "nsga2-12": partial(NSGAIISampler, population_size=12),
    "tpe": TPESampler,
    "tpe-group": partial(TPESampler, multivariate=True, group=True),
    "gp": partial(GPSampler, warn_independent_sampling=False),
}
"""Optuna's own samplers, to be called with a seed."""


@dataclass
class OptunaArm:
    """Ask and tell of a sweep's study, as its searcher does it.

    Attributes:
        early: decides at rungs; measures none if the spec stops nothing early.
        taken: limits how often a configuration may be repeated; unlimited for Optuna's own
            samplers.
    """

    spec: SweepSpec
    study: SweepStudy
    early: EarlyStopping
    taken: RepeatLimit
    pending: PendingTrials

    def ask(self) -> Proposal | None:
        proposed = ask(self.study, self.spec, self.taken)
        if proposed is None:
            return None
        number, start, origin = proposed
        config = self.spec.config(start)
        seed = self.taken.next_seed(config, self.spec.trial_seed)
        proposal = self.study.begin(number, start, seed, origin)
        self.taken.update([proposal.trial_id])
        self.pending.add(proposal)
        return Proposal(number, config, seed)

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        if not self.spec.rung_thresholds:
            return True
        return self.early.may_continue(number, Rung(step=step, points=points))

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        trial = self.pending.proposals[number]
        rungs = self.early.rungs(trial.trial_id)
        self.study.tell(number, result(trial.config, trial.seed, rungs, points))
        self.pending.remove(number)
        self.early.forget(trial.trial_id)

    def close(self) -> None:
        """Nothing is open."""


def optuna_arm(spec: SweepSpec, sampler: BaseSampler, repeats: int = sys.maxsize) -> OptunaArm:
    study, pending = SweepStudy(spec, sampler), in_memory()
    early = EarlyStopping(spec, study, pending, (), _complain)
    return OptunaArm(spec, study, early, RepeatLimit((), repeats), pending)


def _complain(sentence: str) -> None:
    raise RuntimeError(sentence)


def make_arm(name: str, problem: Problem, seed: int, synetune: Path = ENVIRONMENT) -> Arm:
    """Makes the searcher of that name.

    Args:
        name: one of `names`.
        problem: the landscape to search.
        seed: of the searcher.
        synetune: environment with Syne Tune.

    Raises:
        ValueError: the name is unknown, or the searcher does not fit the problem.
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
    if name not in OPTUNA_SAMPLERS:
        raise ValueError(f"expected one of {', '.join(names())}, got {name!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna_arm(spec, OPTUNA_SAMPLERS[name](seed=seed))


def _ours(name: str, problem: Problem, seed: int) -> Arm:
    sampler, _, halved = name.partition("+")
    picked = next((allowed for allowed in SAMPLERS if allowed == sampler), None)
    if picked is None or halved not in ("", "halving"):
        raise ValueError(f"expected one of {', '.join(names())}, got {OURS + name!r}")
    search = replace(problem.spec.search, sampler=picked, seed=seed)
    spec = replace(problem.spec, search=search, stopping=Halving() if halved else NoStopping())
    if isinstance(spec.stopping, Halving) and spec.stopping.at(problem.rungs[-1]) != problem.rungs:
        raise ValueError(
            f"{problem.name} was measured at steps {problem.rungs}, not where the spec's halving "
            "looks"
        )
    return optuna_arm(spec, study_sampler(spec), spec.search.repeats)


def is_rival(name: str) -> bool:
    """Whether a searcher contains nothing of this project."""
    return not name.startswith(OURS) and name != INFORMED


def names() -> tuple[str, ...]:
    """The names of all searchers."""
    ours = (f"{OURS}{name}{halved}" for name in SAMPLERS for halved in ("", "+halving"))
    return (*OPTUNA_SAMPLERS, "ray", "ray-asha", *MO_ASHA, INFORMED, *ours)
