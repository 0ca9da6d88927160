"""Workers on a simulated clock: a trial of s steps takes the time of s steps.

Events reach the searcher in the order of their time. As on Ray with asynchronous trials, a free
worker asks for the next proposal at once, while other trials are still running.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.search.problem import Problem
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Point


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration to train.

    Attributes:
        number: the searcher's own, unique in a run.
    """

    number: int
    config: TrialConfig
    seed: int


class Arm(Protocol):
    """A searcher."""

    def ask(self) -> Proposal | None:
        """The next configuration for a free worker; None if the searcher has no more."""
        ...

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        """Reports the measurements of a trial at a rung; returns whether the trial continues."""
        ...

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        """Reports the final measurements of a trial; None if `rung` stopped it."""
        ...

    def close(self) -> None:
        """Ends the search; no further call follows."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that ended.

    Attributes:
        step: number of its steps.
        complete: it ran to the last rung.
        at: simulated time.
        paid: steps of all trials up to then, running ones included.
    """

    proposal: Proposal
    step: int
    complete: bool
    at: float
    paid: int


@dataclass(slots=True)
class _Running:
    proposal: Proposal
    began: float
    step_sec: float
    next_rung: int = 0

    def steps_by(self, now: float, of: int) -> int:
        return min(int((now - self.began) / self.step_sec + 1e-9), of)


@dataclass(slots=True)
class _Clock:
    """Events in the order of time; simultaneous ones in the order of announcement."""

    now: float = 0.0
    _events: list[tuple[float, int, _Running]] = field(default_factory=list)
    _n: int = 0

    def announce(self, at: float, of: _Running) -> None:
        heapq.heappush(self._events, (at, self._n, of))
        self._n += 1

    def next(self) -> _Running | None:
        if not self._events:
            return None
        self.now, _, of = heapq.heappop(self._events)
        return of

    def running(self) -> list[_Running]:
        return [of for _, _, of in self._events]


def simulate(
    problem: Problem,
    arm: Arm,
    *,
    workers: int = 4,
    max_trials: float = float("inf"),
    max_steps: float = float("inf"),
    enough: Callable[[Ended], bool] = lambda _: False,
) -> list[Ended]:
    """Runs a searcher and returns the ended trials in the order of their ends.

    Args:
        problem: the landscape.
        arm: the searcher.
        workers: trials at a time.
        max_trials: no further trial starts after this many; the running ones end.
        max_steps: the run ends once all trials together have done this many steps.
        enough: called with each ended trial; the run ends if it returns True.
    """
    clock, ended, begun, done = _Clock(), [], 0, 0

    def start() -> None:
        nonlocal begun
        if begun >= max_trials:
            return
        proposal = arm.ask()
        if proposal is None:
            return
        begun += 1
        run = _Running(proposal, clock.now, problem.step_sec(proposal.config))
        clock.announce(clock.now + problem.rungs[0] * run.step_sec, run)

    for _ in range(workers):
        start()
    while (run := clock.next()) is not None:
        step = problem.rungs[run.next_rung]
        proposal = run.proposal
        points = problem.curve(proposal.config, proposal.seed, step)
        complete = step == problem.rungs[-1]
        if not complete and arm.rung(proposal.number, step, points):
            run.next_rung += 1
            clock.announce(run.began + problem.rungs[run.next_rung] * run.step_sec, run)
            continue
        arm.tell(proposal.number, points if complete else None)
        done += step
        paid = done + sum(other.steps_by(clock.now, problem.rungs[-1]) for other in clock.running())
        ended.append(Ended(proposal, step, complete, clock.now, paid))
        if paid >= max_steps or enough(ended[-1]):
            break
        start()
    return ended
