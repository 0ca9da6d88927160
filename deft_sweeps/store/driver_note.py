"""What a driver says of itself in `driver.json` while it runs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deft_sweeps.store.atomic_file import set_aside, write_atomically
from deft_sweeps.store.json_record import read_record

_MOST_SEC, _MOST_TRIALS = 1e12, 10**9
"""More than any clock or counter says: a note that holds more is damaged."""


@dataclass(frozen=True, slots=True)
class DriverNote:
    """What the driver says of itself while it runs.

    Attributes:
        pid: of the driver's process.
        started_at, beat_at: seconds since the epoch; `beat_at` moves while the driver lives.
        n_budget: trials the sweep is to finish.
        running: trial_ids under way.
        n_waiting: how many of them wait for resources.
        state: `searching`, `stopping`, `measuring`, `finished`, `interrupted`, `failed` or
            `cluster lost`.
        left_sec: projected time to the end, None where nothing is finished to project from.
        spent_sec: wall time of all drivers that have searched on the folder, this one's included.
        ended: finished trials to which the search came, and those asked for since; None while it is
            not at its end. It outlives the state, which says what the driver does after the search.
        since: wall time, and trials' time, used when trials beyond the budget were asked for; None
            where none were.
        host: name of the driver's host; empty in notes of earlier versions.
    """

    pid: int
    started_at: float
    beat_at: float
    n_budget: int
    running: tuple[str, ...]
    state: str
    left_sec: float | None
    spent_sec: float = 0.0
    ended: int | None = None
    since: tuple[float, float] | None = None
    n_waiting: int = 0
    host: str = ""

    @property
    def under_way(self) -> str:
        """The running trials and those that wait, in words."""
        return under_way(len(self.running) - self.n_waiting, self.n_waiting)


def under_way(n_running: int, n_waiting: int) -> str:
    """`2 running, 1 waiting for resources`: a trial that waits is not a running one."""
    waiting = f", {n_waiting} waiting for resources" if n_waiting else ""
    return f"{n_running} running{waiting}"


def write_note(path: Path, note: DriverNote) -> None:
    """Replaces the note; what is no file there is set aside.

    Raises:
        OSError: it cannot be written.
    """
    content = json.dumps(asdict(note)).encode()
    if path.is_dir():
        set_aside(path)
    write_atomically(path, content, durably=False)


def read_note(path: Path) -> DriverNote | None:
    """What the driver last said; None where none ever ran here, or where what is there makes no
    sense: a loss of power may leave nothing, and a disk anything.
    """
    try:
        note = read_record(path, DriverNote)
    except (OSError, ValueError):
        return None
    times = (note.started_at, note.beat_at, note.spent_sec, note.left_sec, *(note.since or ()))
    counts = (note.pid, note.n_budget, note.ended, note.n_waiting)
    makes_sense = (
        note.state != ""
        and note.n_waiting <= len(note.running)
        and all(0 <= sec <= _MOST_SEC for sec in times if sec is not None)
        and all(0 <= n <= _MOST_TRIALS for n in counts if n is not None)
    )
    return note if makes_sense else None
