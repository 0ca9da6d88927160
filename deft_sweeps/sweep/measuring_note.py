"""What the driver's note says while candidates, costs or finalists are measured."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir


@contextmanager
def measuring(sweep: SweepDir) -> Iterator[Callable[[], None]]:
    """Says that the driver measures, and at the end that it has finished; gives what is called now
    and then to show that it lives.
    """
    started_at = time.time()
    before = sweep.note() or DriverNote(0, 0.0, 0.0, 0, (), "", None)
    n = before.ended if before.ended is not None else len(sweep.trial_ids())

    # What the search came to stays: its end may be cut off here, and more be asked for then.
    def note(state: str) -> None:
        now = replace(
            before,
            pid=os.getpid(),
            started_at=started_at,
            beat_at=time.time(),
            n_budget=n,
            running=(),
            n_waiting=0,
            state=state,
            left_sec=None,
            host=platform.node(),
        )
        with suppress(OSError):  # Nothing that only shows may end a measurement.
            sweep.write_note(now)

    note("measuring")
    try:
        yield lambda: note("measuring")
    except BaseException as error:
        note("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    note("finished")
