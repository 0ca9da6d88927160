"""The record of what is running: with the results, all that a driver needs to take up a sweep."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt

from deft_sweeps.config.trial import codec
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.atomic_file import set_aside, write_atomically
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.proposal import (
    Proposal,
    RecordedPoint,
    RecordedProposal,
    fits,
    start_to_dict,
)

_CHECKSUM = "sha256"
"""Of the rest of the record: a value that was changed on the disk is not resumed from."""
_MOST_REFUSED = 100
"""Numbers of refused proposals for each trial, many times as many as a search uses up."""
_UNUSABLE = (ValueError, TypeError, RecursionError, IsADirectoryError)
"""What reading a record raises that no driver wrote."""


@dataclass
class PendingTrials:
    """Trials that have no result yet, in `pending.json` of the sweep's folder.

    A change is written before anyone acts on it: a proposal before its trial runs, a verdict before
    the trial stops or goes on.

    Attributes:
        path: of the file; None keeps the record in memory only.
        proposals: running trials by number.
        extra: points that a caller asked for and that no driver has begun.
        next_number: of the next proposal.
    """

    path: Path | None
    proposals: dict[int, Proposal]
    extra: list[Start]
    next_number: int = 0

    def add(self, proposal: Proposal) -> None:
        """Records a proposal, before its trial runs.

        Raises:
            OSError: the record cannot be written; the proposal is not in it.
        """
        before = self.next_number
        self.proposals[proposal.number] = proposal
        self.next_number = max(before, proposal.number + 1)
        try:
            self.write()
        except OSError:
            del self.proposals[proposal.number]
            self.next_number = before
            raise

    def decide(self, number: int, step: int, may_continue: bool) -> None:
        """Records the verdict on a running trial at a rung.

        Raises:
            OSError: the record cannot be written; the next write will hold the verdict.
        """
        self.proposals[number] = self.proposals[number].with_verdict(step, may_continue)
        self.write()

    def remove(self, number: int) -> None:
        """Removes a trial whose result is stored.

        A record that could not be rewritten does no harm: the result counts.
        """
        self.proposals.pop(number, None)
        with suppress(OSError):
            self.write(durably=False)

    def write(self, *, durably: bool = True) -> None:
        """Replaces the file.

        Raises:
            OSError: it cannot be written.
        """
        if self.path is None:
            return
        record: dict[str, Any] = {
            "next_number": self.next_number,
            "running": [self.proposals[number].to_dict() for number in sorted(self.proposals)],
            "extra": [start_to_dict(start) for start in self.extra],
        }
        record = {_CHECKSUM: _checksum(record)} | record
        write_atomically(self.path, json.dumps(record, indent=1).encode(), durably=durably)


def in_memory() -> PendingTrials:
    """An empty record without a file, for searches that nobody resumes."""
    return PendingTrials(None, {}, [])


def highest_number(n_trials: int) -> int:
    """A number that no proposal of a sweep with so many trials reaches.

    Samplers see a trial for every number, so one that a damaged file holds would fill the memory.
    """
    return _MOST_REFUSED * (n_trials + 10)


def read_pending(
    spec: SweepSpec,
    sweep: SweepDir,
    stored: Collection[str],
    on_trouble: Callable[[str], None] = lambda _: None,
) -> PendingTrials:
    """Reads a sweep's record; an empty one if there is none.

    Trials with a result are left out, and points that the space no longer has. A file that cannot
    be read, or holds what no driver writes, is set aside: its trials are lost, and others take
    their place.

    Args:
        spec: of the sweep.
        sweep: its folder.
        stored: trial_ids that have a result.
        on_trouble: called with a sentence if the file cannot be read.

    Raises:
        OSError: the file cannot be opened.
    """
    path, ended = sweep.pending_path, set(stored)
    try:
        record = _read(path, len(ended)) if path.exists() else _Record()
    except _UNUSABLE:
        set_aside(path)
        on_trouble(
            f"{path} cannot be read and was set aside as {path.name}.broken: trials that were "
            "running are not resumed, other trials take their place"
        )
        return PendingTrials(path, {}, [])
    proposals = [recorded.proposal(spec) for recorded in record.running]
    extra = [point.start for point in record.extra]
    within = [start for start in extra if fits(spec, start)]
    if n_outside := proposals.count(None) + len(extra) - len(within):
        on_trouble(f"{path}: {n_outside} of its points are not in this space and do not run")
    running = {p.number: p for p in proposals if p is not None and p.trial_id not in ended}
    return PendingTrials(path, running, within, record.next_number)


def record_error(path: Path, n_ended: int) -> str:
    """Why a record cannot be used; empty if it can, or if there is none.

    Args:
        path: of the record; not changed.
        n_ended: trials that have a result.
    """
    try:
        if path.exists():
            _read(path, n_ended)
    except _UNUSABLE as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def recorded_numbers(path: Path, n_ended: int) -> dict[str, int]:
    """The number of each trial in a record by its trial_id; none of a record that cannot be used.

    Args:
        path: of the record; not changed.
        n_ended: trials that have a result.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        record = _read(path, n_ended) if path.exists() else _Record()
    except _UNUSABLE:
        return {}
    return {proposal.trial_id: proposal.number for proposal in record.running}


@dataclass(frozen=True, slots=True)
class _Record:
    """The file's content, as pydantic checks it; versions before the checksum wrote none."""

    next_number: NonNegativeInt = 0
    running: tuple[RecordedProposal, ...] = ()
    extra: tuple[RecordedPoint, ...] = ()
    sha256: str | None = None


def _read(path: Path, n_ended: int) -> _Record:
    """The record.

    Raises:
        ValueError, TypeError, RecursionError: no driver has written it.
    """
    content = path.read_bytes()
    record: _Record = codec(_Record).validate_json(content, strict=True)
    if record.sha256 is not None and record.sha256 != _checksum(json.loads(content)):
        raise ValueError("it was changed since it was written")
    numbers = [proposal.number for proposal in record.running]
    if len(set(numbers)) < len(numbers):
        raise ValueError("two trials have one number")
    if len({proposal.trial_id for proposal in record.running}) < len(numbers):
        raise ValueError("a trial is in it twice")
    if max(*numbers, record.next_number, 0) >= highest_number(n_ended + len(numbers)):
        raise ValueError("a number is too large")
    return record


def _checksum(record: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != _CHECKSUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
