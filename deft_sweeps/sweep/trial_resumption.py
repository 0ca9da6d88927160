"""Takes a trial up from the latest of its checkpoints that can be used."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from deft_sweeps.search.memory_exhaustion import is_out_of_memory
from deft_sweeps.store.checkpoint_file import read_checkpoint
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.trial.protocol import TrialRun


class NoRoomNowError(Exception):
    """A trial could not be taken up from its checkpoint for a reason that may pass."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """A trial that begins in a worker.

    Attributes:
        run: the trial as a checkpoint has it; None if it starts from its first step.
        trouble: why later checkpoints could not be used, a sentence; empty if all could.
    """

    run: TrialRun | None
    trouble: str = ""


def resumption(trial: UnfinishedTrial, start: Callable[[bytes], TrialRun]) -> Resumption:
    """Try the trial's checkpoints, the latest attempt's first; remove those that cannot be used.

    Args:
        trial: the files of its earlier attempts.
        start: makes the trial go on from a checkpoint's state.

    Raises:
        NoRoomNowError: the machine could not do it, which says nothing of the checkpoint. It stays
            for the next attempt, of which `max_failures` allows some.
    """
    reasons: list[str] = []
    for path in trial.checkpoints():
        try:
            run = start(read_checkpoint(path, trial.trial_id))
        except Exception as error:
            if _passes(error):
                raise NoRoomNowError from error
            reasons.append(short_reason(error))
            with suppress(OSError):
                path.unlink()
        else:
            return Resumption(run, _sentence(reasons, "from an earlier checkpoint"))
    return Resumption(None, _sentence(reasons, "from its first step instead of a checkpoint"))


def _sentence(reasons: list[str], starts: str) -> str:
    return f"it starts {starts}, for its latest one cannot be used: {reasons[0]}" if reasons else ""


def _passes(error: Exception) -> bool:
    """Whether the machine is the cause and not the checkpoint: a drive, or memory that ran out."""
    return isinstance(error, OSError) or is_out_of_memory(error)
