"""Recognises a trial that ran out of memory, and says what its next attempt does differently.

It splits its batches finer, up to single examples. If those run out of memory too, it gets a larger
share of a machine, once. The worker itself sees an allocation fail, on the host or on the device.
If the host is short of memory, Ray ends the worker, and only the driver learns the reason. Either
one notes it in the sweep's folder. The next attempt reads the note, also after a restart.
"""

from collections.abc import Callable, Iterable, Sequence

from deft_sweeps.config.micro_batches import finest_split, n_micro_batches
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import InfeasibleTrialError
from deft_sweeps.result import MachineShare, OutOfMemory, shares_of
from deft_sweeps.store.unfinished_trial import UnfinishedTrial

MOST_SHARES = 2
"""Shares of a machine that a trial may run out of memory in before it is infeasible."""
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


def micro_batches_of(
    config: TrialConfig, exhaustions: Sequence[OutOfMemory], share: MachineShare
) -> int:
    """Micro-batches of a step for an attempt that starts now.

    Args:
        config: of the trial.
        exhaustions: attempts at it that ran out of memory.
        share: that this attempt has.

    Raises:
        InfeasibleTrialError: it ran out of memory in this share with the finest split that there
            is.
    """
    exhausted = exhausted_shares(config, exhaustions)
    if share in exhausted:
        raise InfeasibleTrialError(_infeasible(config, exhausted))
    ran_out_at = max((each.n_micro_batches for each in exhaustions), default=0)
    return n_micro_batches(config, ran_out_at) or finest_split(config)


def exhausted_shares(
    config: TrialConfig, exhaustions: Iterable[OutOfMemory]
) -> tuple[MachineShare, ...]:
    """Shares that even the finest split ran out of memory in, in that order."""
    finest = finest_split(config)
    return shares_of(each for each in exhaustions if each.n_micro_batches >= finest)


def next_share(
    exhausted: tuple[MachineShare, ...],
    usual: MachineShare,
    larger_than: Callable[[MachineShare], MachineShare | None],
) -> MachineShare:
    """The share of a machine for a trial's next attempt.

    Args:
        exhausted: shares that its finest split ran out of memory in.
        usual: of trials that have run out of none.
        larger_than: gives a larger one; None if there is none.

    Returns:
        An exhausted one if there is no other: such an attempt says that the trial is infeasible.
    """
    if not exhausted:
        return usual
    larger = larger_than(exhausted[-1]) if len(exhausted) < MOST_SHARES else None
    return larger or exhausted[-1]


def note_exhaustion(
    config: TrialConfig, files: UnfinishedTrial, share: MachineShare, *, in_training: bool = True
) -> bool:
    """Notes that the attempt under way ran out of memory.

    Args:
        config: of the trial.
        files: of its attempts.
        share: that the attempt had.
        in_training: whether a finer split may help; nothing else is computed in micro-batches.

    Returns:
        Whether the next attempt differs; it does not if nothing could be noted.
    """
    before = files.exhaustions()
    try:
        n = micro_batches_of(config, before, share)
        n = n if in_training else finest_split(config)
        files.add_exhaustion(OutOfMemory(n, share))
    except (InfeasibleTrialError, OSError):  # A full disk, say.
        return False
    return files.exhaustions() != before


def _infeasible(config: TrialConfig, exhausted: tuple[MachineShare, ...]) -> str:
    held = -(-config.training.batch_size // finest_split(config))
    examples = "1 example" if held == 1 else f"{held} examples"
    tried = " and in ".join(map(str, exhausted))
    end = "" if len(exhausted) > 1 else ", and no machine has a larger share for it"
    return f"it ran out of memory with {examples} at a time in {tried}{end}"
