"""Ray Tune's OptunaSearch, alone or with ASHA on the first objective.

Uses Ray's own objects, driven by hand. Ray's loop reports a trial that ASHA stops to OptunaSearch
as complete, with its values at that rung; so does this one.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import optuna
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.search.problem import directions, objective_values
from benchmarks.search.repeats import Repeats
from benchmarks.search.simulate import Proposal
from deft_sweeps.result import Point
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import start_of, suggest

ETA = 3
RUNG = "rung"


@dataclass
class RayArm:
    """Ray's objects, called as Ray's loop calls them.

    Attributes:
        steps: of the rungs. ASHA gets powers of ETA instead, so its milestones are the rungs.
    """

    spec: SweepSpec
    steps: tuple[int, ...]
    search: Any
    asha: Any
    repeats: Repeats
    n_asked: int = 0

    def ask(self) -> Proposal:
        number, self.n_asked = self.n_asked, self.n_asked + 1
        config = self.spec.config(start_of(self.spec, self.search.suggest(str(number))))
        if self.asha is not None:
            self.asha.on_trial_add(None, SimpleNamespace(trial_id=str(number)))
        return Proposal(number, config, self.repeats.seed(config))

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        report = self._report(step, points)
        self.search.on_trial_result(str(number), report)
        if self.asha is None:
            return True
        trial = SimpleNamespace(trial_id=str(number))
        if self.asha.on_trial_result(None, trial, report) != TrialScheduler.STOP:
            return True
        self.asha.on_trial_complete(None, trial, report)
        self.search.on_trial_complete(str(number), report)
        return False

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        if points is None:  # `rung` has reported it.
            return
        report = self._report(self.steps[-1], points)
        self.search.on_trial_complete(str(number), report)
        if self.asha is not None:
            self.asha.on_trial_complete(None, SimpleNamespace(trial_id=str(number)), report)

    def close(self) -> None:
        """Nothing is open."""

    def _report(self, step: int, points: tuple[Point, ...]) -> dict[str, float]:
        at = [
            point for point in points if point.threshold == self.spec.evaluation.objective_threshold
        ]
        values = objective_values(self.spec.objectives, at)[0]
        return {
            **dict(zip(self.spec.objectives, map(float, values), strict=True)),
            RUNG: ETA ** self.steps.index(step),
        }


def ray_arm(spec: SweepSpec, steps: tuple[int, ...], seed: int, *, asha: bool) -> RayArm:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    modes = [
        "max" if direction == "maximize" else "min" for direction in directions(spec.objectives)
    ]

    def space(trial: Any) -> None:
        suggest(trial, spec)

    search = OptunaSearch(space, metric=list(spec.objectives), mode=modes, seed=seed)
    scheduler = None
    if asha:
        top = ETA ** (len(steps) - 1)
        scheduler = ASHAScheduler(
            time_attr=RUNG,
            metric=spec.objectives[0],
            mode=modes[0],
            max_t=top,
            grace_period=1,
            reduction_factor=ETA,
        )
    return RayArm(spec, steps, search, scheduler, Repeats(spec.trial_seed))
