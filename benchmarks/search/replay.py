"""A landscape behind the sweep's interface.

`run_sweep` then runs on real Ray, but trials read their measurements from the landscape.
"""

import json
import time
from dataclasses import dataclass, replace

from benchmarks.search.problem import Problem, result
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.result import Advance, CompleteTrial, Point
from deft_sweeps.trial.protocol import TrialStarter


@dataclass
class ReplayRun:
    """A TrialRun that reads its points from a landscape."""

    problem: Problem
    step_sec: float
    config: TrialConfig
    seed: int
    step: int
    started_at: float

    def advance(self, n_steps: int) -> Advance:
        """Counts the steps, and sleeps for their time on the landscape times `step_sec`."""
        steps = min(n_steps, self.problem.rungs[-1] - self.step)
        self.step += steps
        time.sleep(steps * self.step_sec * self.problem.step_sec(self.config))
        return Advance(step=self.step, done=self.step == self.problem.rungs[-1])

    def split(self, n_micro_batches: int) -> None:
        """Nothing is trained, so no batch is split."""

    def state(self) -> bytes:
        """The current step, and the elapsed time."""
        return json.dumps(
            {"step": self.step, "elapsed_sec": time.time() - self.started_at}
        ).encode()

    def measure(self, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        """The landscape's points at these thresholds; thresholds that it lacks are left out.

        Raises:
            TrialError: the landscape has no rung at this step.
        """
        if self.step not in self.problem.rungs:
            raise TrialError(f"the landscape has rungs {self.problem.rungs}, not step {self.step}")
        return tuple(
            point
            for point in self.problem.curve(self.config, self.seed, self.step)
            if point.threshold in thresholds
        )

    def weights(self) -> bytes:
        """Empty: nothing was trained."""
        return b""

    def finish(self) -> CompleteTrial:
        """The final measurements; costs and provenance state that nothing ran."""
        made = result(
            self.config,
            self.seed,
            (),
            self.problem.curve(self.config, self.seed, self.problem.rungs[-1]),
        )
        assert isinstance(made, CompleteTrial)
        return replace(made, started_at=self.started_at, finished_at=time.time())


@dataclass(frozen=True)
class ReplayMaker:
    """Picklable maker of replayed trials.

    Attributes:
        step_sec: real seconds of a step of average length.
    """

    problem: Problem
    step_sec: float = 0.0

    def __call__(self) -> TrialStarter:
        return self.start

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> ReplayRun:
        saved = json.loads(state) if state else {"step": 0, "elapsed_sec": 0.0}
        return ReplayRun(
            self.problem,
            self.step_sec,
            config,
            seed,
            int(saved["step"]),
            time.time() - saved["elapsed_sec"],
        )
