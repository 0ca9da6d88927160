"""The record of what is running: with the results, all that a driver needs to take up a sweep."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir, write_atomically
from deft_sweeps.study.proposal import (
    Proposal,
    fits,
    read_proposal,
    start_from_dict,
    start_to_dict,
)


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
        record = {
            "next_number": self.next_number,
            "running": [self.proposals[number].to_dict() for number in sorted(self.proposals)],
            "extra": [start_to_dict(start) for start in self.extra],
        }
        write_atomically(self.path, json.dumps(record, indent=1).encode(), durably=durably)


def in_memory() -> PendingTrials:
    """An empty record without a file, for searches that nobody resumes."""
    return PendingTrials(None, {}, [])


def read_pending(
    spec: SweepSpec,
    sweep: SweepDir,
    stored: Iterable[str],
    on_trouble: Callable[[str], None] = lambda _: None,
) -> PendingTrials:
    """Reads a sweep's record; an empty one if there is none.

    Trials with a result are left out, and points that the space no longer has. A file that cannot
    be read is set aside: its trials are lost, and others take their place.

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
        raw = json.loads(path.read_bytes()) if path.is_file() else {}
        proposals = [read_proposal(spec, row) for row in raw.get("running", ())]
        extra = [start_from_dict(row) for row in raw.get("extra", ())]
        next_number = int(raw.get("next_number", 0))
    except (ValueError, KeyError, TypeError, AttributeError):
        path.replace(path.with_name(f"{path.name}.broken"))
        on_trouble(
            f"{path} cannot be read and was set aside as {path.name}.broken: trials that were "
            "running are not resumed, other trials take their place"
        )
        return PendingTrials(path, {}, [])
    running = {p.number: p for p in proposals if p is not None and p.trial_id not in ended}
    return PendingTrials(path, running, [s for s in extra if fits(spec, s)], next_number)
