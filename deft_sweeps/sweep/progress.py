"""What a sweep has come to, and two ways to show it: live on a terminal, in lines where the output
is a file or a pipe.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deft_sweeps.config.label import label
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.objective import Constraint
from deft_sweeps.report.saved_steps import SavedSteps, stopped_text
from deft_sweeps.report.terminal_text import printable
from deft_sweeps.result import CompleteTrial, StoppedTrial, TrialResult
from deft_sweeps.store.driver_note import under_way
from deft_sweeps.units import duration

N_ROWS = 6
QUIET_SEC = 30.0


@dataclass(frozen=True, slots=True)
class FrontRow:
    """A member of the front in a few words.

    Attributes:
        values: of the objectives, by name.
    """

    label: str
    threshold: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended.

    Attributes:
        outcome: its objectives, or why it failed.
    """

    trial_id: str
    label: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A sweep at one moment.

    Attributes:
        n_done: trials that ended, failed ones included.
        n_waiting: trials that wait for resources; they are not among the running ones.
        n_budget: trials to finish.
        front: some members, best first by the first objective, spread over the whole front.
        n_front: members of the front.
        left_sec: projected time to the end; None where nothing is finished to project from.
        latest: the trial that ended last.
        messages: warnings, each once.
        saved_steps: what early stopping saved so far; None where nothing was stopped.
        state: what the driver is at, as in DriverNote.
        phase: what the trials are for, where it is not the search: `seeds of the front`.
    """

    n_done: int
    n_running: int
    n_failed: int
    n_budget: int
    front: tuple[FrontRow, ...] = ()
    n_front: int = 0
    hypervolume: float = 0.0
    left_sec: float | None = None
    latest: Ended | None = None
    messages: tuple[str, ...] = ()
    saved_steps: SavedSteps | None = None
    state: str = "searching"
    phase: str = ""
    n_waiting: int = 0

    @property
    def line(self) -> str:
        """The counts in one line."""
        remaining = f", about {duration(self.left_sec)} left" if self.left_sec is not None else ""
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        stopped = f", {self.saved_steps}" if self.saved_steps is not None else ""
        phase = f", {self.phase}" if self.phase else ""
        return (
            f"{self.n_done}/{self.n_budget} trials done,"
            f" {under_way(self.n_running, self.n_waiting)}{failed}{stopped}{remaining}{phase}"
        )

    @property
    def front_line(self) -> str:
        """The front in one line, the objectives of some of its members: `0.812 @ 0.250`."""
        members = ", ".join(" @ ".join(_texts(row)) for row in self.front)
        return f"front: {self.n_front} points, hypervolume {self.hypervolume:.4f}: {members}"


View = Callable[[Progress], None]


def ended(result: TrialResult, threshold: float, objectives: Sequence[str]) -> Ended:
    """How a trial ended, in words; `threshold` is the one that the search compares at."""
    if isinstance(result, CompleteTrial):
        values = measured(result.point_at(threshold), result.cost)
        metrics = [METRICS[name] for name in objectives if name in values]
        outcome = ", ".join(
            f"{metric.title} {metric.text(values[metric.name])}" for metric in metrics
        )
    elif isinstance(result, StoppedTrial):
        outcome = stopped_text(result)
    else:
        outcome = result.status + (f": {result.error}" if result.error else "")
    return Ended(result.trial_id, label(result.config), outcome)


def front_rows(
    results: Sequence[TrialResult], objectives: Sequence[str], limits: Sequence[Constraint]
) -> tuple[tuple[FrontRow, ...], int, float]:
    """Some of the front's members, how many it has, and its hypervolume."""
    front = pareto_front(results, objectives, limits)
    # Until the baseline is measured, the front without limits is better than none.
    if front.unjudged:
        front = pareto_front(results, objectives)
    n = len(front.members)
    picked = (
        sorted({round(i * (n - 1) / (N_ROWS - 1)) for i in range(N_ROWS)})
        if n > N_ROWS
        else range(n)
    )
    rows = tuple(_row(front.members[i], front.objectives) for i in picked)
    return rows, n, front.hypervolume


class LiveView:
    """A display on the terminal that is drawn over; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._live = Live(console=console or Console(), refresh_per_second=4, transient=False)

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def __call__(self, progress: Progress) -> None:
        """Redraw the panel."""
        self._live.update(_panel(progress))


class LineView:
    """Plain lines: one a trial that ended and one where that moved the front, each warning once,
    and otherwise a count every QUIET_SEC at most; a context manager.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._told: set[str] = set()
        self._latest: Ended | None = None
        self._front: tuple[FrontRow, ...] = ()
        self._spoke_at = clock()

    def __enter__(self) -> "LineView":
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._out.flush()

    def __call__(self, progress: Progress) -> None:
        """Print what is new."""
        for message in progress.messages:
            if message not in self._told:
                self._told.add(message)
                self._say(f"warning: {message}")
        latest = progress.latest
        if latest is not None and latest != self._latest:
            self._latest = latest
            self._say(f"[{progress.line}] {latest.trial_id} {latest.label}: {latest.outcome}")
            if progress.front != self._front:
                self._front = progress.front
                self._say(f"  {progress.front_line}")
        elif self._clock() - self._spoke_at >= QUIET_SEC:
            self._say(progress.line)

    def _say(self, line: str) -> None:
        with suppress(OSError):  # A sweep goes on where nobody reads.
            self._out.write(printable(line) + "\n")
            self._out.flush()
        self._spoke_at = self._clock()


def _row(member: FrontMember, objectives: Sequence[str]) -> FrontRow:
    values = {name: member.values[name] for name in objectives}
    return FrontRow(label(member.result.config), member.point.at, values)


def _texts(row: FrontRow) -> list[str]:
    return [METRICS[name].text(value) for name, value in row.values.items()]


def _panel(progress: Progress) -> RenderableType:
    parts: list[RenderableType] = [Text(progress.line, style="bold")]
    if progress.latest is not None:
        last = f"last: {progress.latest.label}: {progress.latest.outcome}"
        parts.append(Text(printable(last), style="dim"))
    if progress.front:
        table = Table(
            title=f"front: {progress.n_front} points, hypervolume {progress.hypervolume:.4f}",
            title_justify="left",
        )
        table.add_column("configuration")
        for title in ("threshold", *(METRICS[name].title for name in progress.front[0].values)):
            table.add_column(title, justify="right")
        for row in progress.front:
            table.add_row(Text(row.label), row.threshold, *_texts(row))
        parts.append(table)
    parts += [
        Text(f"warning: {printable(message)}", style="yellow") for message in progress.messages
    ]
    return Group(*parts)
