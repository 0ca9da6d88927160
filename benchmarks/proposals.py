"""CPU time of one proposal after many trials.

    python -m benchmarks.proposals [N ...]
    python -m benchmarks.proposals --run N

Without --run: for each sampler and each number N of finished trials, the time of one ask with all
its parameters, in a study in memory. `bounded` is the sampler as a sweep uses it, which reads a
bounded part of the study; `whole` is Optuna's own sampler on the whole study.

With --run: the time per trial in each tenth of a whole search of N trials, with the sampler
`front`, which prepares several proposals at once, and with random sampling. Trials come from closed
forms; nothing is trained.
"""

import argparse
import statistics
import time
from dataclasses import replace
from typing import get_args

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import TrialState

from benchmarks.search.arms import OptunaArm, optuna_arm
from benchmarks.search.closed_form import make
from benchmarks.search.simulate import Proposal, simulate
from deft_sweeps.sampler.front.front_sampler import MAX_BATCH
from deft_sweeps.sampler.optuna_sampler import make_sampler
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.specification.sampler_entry import ConcreteName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import POINTS, TRIAL_ID
from deft_sweeps.study.parameters import suggest

ROUNDS = 10
N_WORKERS = 4
STEPS = 100
WHOLE_UP_TO = {"tpe": 10_000, "nsga2": 10_000, "nsga3": 10_000, "gp": 300, "random": 10_000}
"""Most trials that Optuna's own sampler is timed with: its GP takes minutes beyond 300."""
SPEC = """
name: proposals
space:
  activation: [pretrained, relu]
  peft: [lora: {r: {low: 4, high: 16}}, adapter: {reduction: {choice: [8, 16]}}]
  density:
    - none
    - loss: {weight: {low: 0.1, high: 3, log: true}, eps: {low: 1e-4, high: 1e-2, log: true}}
  quantization: [none, nf4]
  training: {steps: 100, learning_rate: {low: 1e-4, high: 1e-2, log: true}}
budget: {trials: 10000}
"""


def study_of(spec: SweepSpec, n: int) -> Study:
    """A study of `n` finished trials with two random objectives that trade off."""
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    generator = np.random.default_rng(0)
    for _ in range(n):
        trial = study.ask()
        suggest(trial, spec)
        density = float(generator.random())
        values = (0.5 + 0.3 * density**0.5 * float(generator.beta(5, 1)), density)
        trial.set_user_attr(
            POINTS, [[STEPS, f"{threshold:g}", *values] for threshold in spec.evaluation.thresholds]
        )
        trial.set_user_attr(TRIAL_ID, f"{trial.number}")
        study.tell(trial, values)
    return study


def proposal_sec(
    study: Study, spec: SweepSpec, make: BaseSampler | None, search: Search
) -> list[float]:
    """CPU seconds of each of some proposals.

    The first proposal is left out: it reads the whole history of the study.
    """
    took = []
    for _ in range((MAX_BATCH if search.sampler == "front" else ROUNDS) + 1):
        study.sampler = make or make_sampler(search, len(study.get_trials(deepcopy=False)))
        start = time.process_time()
        trial = study.ask()
        suggest(trial, spec)
        took.append(time.process_time() - start)
        study.tell(trial, state=TrialState.FAIL)
    return took[1:]


class TimedArm:
    """Records the CPU seconds of each ask of a searcher."""

    def __init__(self, arm: OptunaArm) -> None:
        self._arm = arm
        self.took: list[float] = []
        self.rung, self.tell, self.close = arm.rung, arm.tell, arm.close

    def ask(self) -> Proposal | None:
        start = time.process_time()
        proposal = self._arm.ask()
        self.took.append(time.process_time() - start)
        return proposal


def of_a_search(name: ConcreteName, n: int) -> list[float]:
    """CPU seconds of each ask in a search of `n` trials on the closed form `broken`."""
    problem = make("broken")
    spec = replace(problem.spec, search=Search(sampler=name))
    arm = TimedArm(optuna_arm(spec, study_sampler(spec), spec.search.repeats))
    simulate(problem, arm, workers=N_WORKERS, max_trials=n)
    return arm.took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "n", nargs="*", type=int, default=[100, 1_000, 10_000], help="finished trials"
    )
    parser.add_argument("--run", type=int, metavar="N", help="trials of a whole search")
    arguments = parser.parse_args()
    if arguments.run:
        names: tuple[ConcreteName, ...] = ("front", "random")
        for name in names:
            took = 1e3 * np.array(of_a_search(name, arguments.run))
            tenths = " ".join(f"{part.mean():.1f}" for part in np.array_split(took, 10))
            print(
                f"{name}: CPU ms a trial, measured, 1 thread: mean {took.mean():.2f}, largest "
                f"{took.max():.0f}; by tenths {tenths}",
                flush=True,
            )
        return
    compare(arguments.n)


def compare(counts: list[int]) -> None:
    """Prints the time of one proposal for each sampler and count of finished trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec = parse_spec(SPEC, "proposals.yaml")
    print(
        "CPU ms a proposal, mean (largest): measured; 16 combinations, up to 4 open parameters "
        "each, 1 thread"
    )
    for n in counts:
        for name in get_args(ConcreteName):
            search = Search(sampler=name, startup=10)
            bounded = proposal_sec(
                study_of(spec, n), spec, study_sampler(replace(spec, search=search)), search
            )
            line = (
                f"{name:8s} {n:6d} trials  bounded {1e3 * statistics.mean(bounded):7.1f} "
                f"({1e3 * max(bounded):.1f})"
            )
            if n <= WHOLE_UP_TO.get(name, 0):
                whole = proposal_sec(study_of(spec, n), spec, None, search)
                line += f"   whole {1e3 * statistics.mean(whole):7.1f} ({1e3 * max(whole):.1f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
