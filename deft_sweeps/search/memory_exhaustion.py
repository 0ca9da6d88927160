"""Recognises a trial that ran out of memory, and splits the batches of its next attempt finer.

The worker itself sees an allocation fail, on the host or on the device. If the host is short of
memory, Ray ends the worker, and only the driver learns the reason. Either one notes it in the
sweep's folder. The next attempt reads the note, also after a restart.
"""

from contextlib import suppress

from deft_sweeps.config.micro_batches import n_micro_batches
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import InfeasibleTrialError
from deft_sweeps.store.unfinished_trial import UnfinishedTrial

_RAY_SAYS = ("running low on memory", "Memory on the node")
"""Ray's memory monitor begins its reason with one of these."""
_ALLOCATOR_SAYS = "can't allocate memory"
"""Torch's on the CPU, in a RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was exhausted: the host's or the device's."""
    return (
        isinstance(error, MemoryError)
        # Torch's; torch is not imported here.
        or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        or (isinstance(error, RuntimeError) and _ALLOCATOR_SAYS in str(error))
    )


def was_killed_for_memory(reason: str) -> bool:
    """Whether Ray ended a worker because its node was short of memory.

    Args:
        reason: why the worker was lost, as `last_failure` gives it.
    """
    return any(words in reason for words in _RAY_SAYS)


def micro_batches_of(config: TrialConfig, files: UnfinishedTrial) -> int:
    """Micro-batches of a step for an attempt that starts now.

    Raises:
        InfeasibleTrialError: it ran out of memory with the finest split that there is.
    """
    ran_out_at = files.ran_out_at()
    n = n_micro_batches(config, ran_out_at)
    if n is None:
        held = -(-config.training.batch_size // ran_out_at)
        examples = "1 example" if held == 1 else f"{held} examples"
        raise InfeasibleTrialError(
            f"it ran out of memory with {examples} at a time, and its batch cannot be split further"
        )
    return n


def finer_split(config: TrialConfig, files: UnfinishedTrial) -> int:
    """Micro-batches of a step for the next attempt, once the one under way ran out of memory.

    Raises:
        InfeasibleTrialError: there is no finer split, or it could not be noted: without the note
            the trial would be tried for ever.
    """
    before = micro_batches_of(config, files)
    note_exhaustion(config, files)
    after = micro_batches_of(config, files)
    if after == before:
        raise InfeasibleTrialError("it ran out of memory, which could not be noted")
    return after


def note_exhaustion(config: TrialConfig, files: UnfinishedTrial) -> None:
    """Note that the attempt under way ran out of memory, so that the next one splits finer."""
    n = n_micro_batches(config, files.ran_out_at())
    if n is not None:
        with suppress(OSError):  # A full disk: the attempt is then made as before.
            files.write_ran_out_at(n)
