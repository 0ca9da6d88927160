"""What a search does next: propose a trial, wait, be done, or abort the sweep."""

from dataclasses import dataclass

from deft_sweeps.errors import SweepError
from deft_sweeps.study.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Propose:
    """Run this trial."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Wait:
    """Propose nothing now.

    Attributes:
        reason: shown to the user; empty if it is the usual course of things.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Propose nothing any more.

    Attributes:
        reason: why the search ends before its target; empty if it does not.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Propose nothing any more: the sweep cannot go on.

    Attributes:
        error: to raise once the running trials have ended.
    """

    error: SweepError


NextStep = Propose | Wait | Done | Abort
