"""Points that somebody asked for, which run before the sampler's own."""

from collections import deque
from collections.abc import Iterable, Iterator

from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import params
from deft_sweeps.study.pending import PendingTrials
from deft_sweeps.study.proposal import Origin


class RequestedPoints:
    """A queue: extra points first, then the `first` points, then those of earlier sweeps.

    Extra points are in the record of what is running until they begin, so they outlive a driver
    that is killed. The others are given again at each start, and those that ran are left out.

    Args:
        spec: of the sweep.
        pending: the record.
    """

    def __init__(self, spec: SweepSpec, pending: PendingTrials) -> None:
        self._spec, self._pending = spec, pending
        self._others: deque[tuple[Start, Origin]] = deque()

    def add_extra(self, starts: Iterable[Start]) -> None:
        """Adds points that run also if they ran before, and also when the search is over.

        One that an earlier driver was asked for and did not begin stands for one of these.
        """
        waiting = [self._key(start) for start in self._pending.extra]
        for start in starts:
            if self._key(start) in waiting:
                waiting.remove(self._key(start))
            else:
                self._pending.extra.append(start)

    def add(self, starts: Iterable[Start], origin: Origin, ran: Iterable[Start]) -> None:
        """Adds points, except those that ran or are in the queue."""
        queued = (start for start, _ in self)
        seen = {self._key(start) for start in (*ran, *queued)}
        for start in starts:
            if self._key(start) not in seen:
                seen.add(self._key(start))
                self._others.append((start, origin))

    def next_extra(self) -> tuple[Start, Origin] | None:
        """Takes the first extra point; None if there is none."""
        return (self._pending.extra.pop(0), "extra") if self._pending.extra else None

    def next(self) -> tuple[Start, Origin] | None:
        """Takes the first point; None if there is none."""
        return self.next_extra() or (self._others.popleft() if self._others else None)

    def take(self, start: Start) -> Origin | None:
        """Takes this very point out of the queue; its origin, None if it is not there."""
        wanted = self._key(start)
        for other in self._pending.extra:
            if self._key(other) == wanted:
                self._pending.extra.remove(other)
                return "extra"
        for entry in self._others:
            if self._key(entry[0]) == wanted:
                self._others.remove(entry)
                return entry[1]
        return None

    def __iter__(self) -> Iterator[tuple[Start, Origin]]:
        yield from ((start, "extra") for start in self._pending.extra)
        yield from self._others

    def _key(self, start: Start) -> tuple[tuple[str, object], ...]:
        return tuple(sorted(params(self._spec, start).items()))
