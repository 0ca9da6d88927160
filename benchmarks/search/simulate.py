"""Workers on a simulated clock: a trial of s steps takes s steps' time, and a search hears of what
happens when it happens.

As on Ray with asynchronous trials: a worker that is done asks for the next proposal at once, while
the others' results are still out.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.search.problem import Problem
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Point


@dataclass(frozen=True, slots=True)
class Asked:
    """A proposal.

    Attributes:
        number: the searcher's own, unique in a run.
    """

    number: int
    config: TrialConfig
    seed: int


class Arm(Protocol):
    """A searcher."""

    def ask(self) -> Asked | None:
        """What the free worker shall train; None where there is nothing left to propose."""
        ...

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        """What a trial measured before its end; whether it goes on."""
        ...

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        """What it gave at its end; None where `rung` stopped it."""
        ...

    def close(self) -> None:
        """Nothing more will be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that ended.

    Attributes:
        step: steps it did.
        complete: it did all of them.
        at: simulated time.
        paid: steps that all trials did by then, those still running included.
    """

    asked: Asked
    step: int
    complete: bool
    at: float
    paid: int


@dataclass(slots=True)
class _Running:
    asked: Asked
    began: float
    step_sec: float
    next_rung: int = 0

    def steps_by(self, now: float, of: int) -> int:
        return min(int((now - self.began) / self.step_sec + 1e-9), of)


@dataclass(slots=True)
class _Clock:
    """Events in the order of their time; of equal times, in the order they were announced."""

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
    """Run the searcher until so many trials were begun and have ended, so many steps were done, or
    `enough` says so of a trial that ended; the trials in the order of their ends.
    """
    clock, ended, begun, done = _Clock(), [], 0, 0

    def start() -> None:
        nonlocal begun
        if begun >= max_trials:
            return
        asked = arm.ask()
        if asked is None:
            return
        begun += 1
        run = _Running(asked, clock.now, problem.step_sec(asked.config))
        clock.announce(clock.now + problem.rungs[0] * run.step_sec, run)

    for _ in range(workers):
        start()
    while (run := clock.next()) is not None:
        step = problem.rungs[run.next_rung]
        asked = run.asked
        points = problem.curve(asked.config, asked.seed, step)
        complete = step == problem.rungs[-1]
        if not complete and arm.rung(asked.number, step, points):
            run.next_rung += 1
            clock.announce(run.began + problem.rungs[run.next_rung] * run.step_sec, run)
            continue
        arm.tell(asked.number, points if complete else None)
        done += step
        paid = done + sum(other.steps_by(clock.now, problem.rungs[-1]) for other in clock.running())
        ended.append(Ended(asked, step, complete, clock.now, paid))
        if paid >= max_steps or enough(ended[-1]):
            break
        start()
    return ended
