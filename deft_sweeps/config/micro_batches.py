"""The number of micro-batches of a training step, which grows when a trial runs out of memory."""

from dataclasses import replace

from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig

FACTOR = 4
"""The first retry holds a quarter of the examples at a time, the second one a single example."""


def n_micro_batches(config: TrialConfig, ran_out_at: int = 0) -> int | None:
    """Micro-batches of a step for the next attempt at a trial.

    The whole batch's gradient is the same however it is split, up to rounding, so this is no part
    of the configuration. Dropout is drawn in another order.

    Args:
        config: of the trial.
        ran_out_at: the most micro-batches with which it ran out of memory; 0 if it never did.

    Returns:
        At most `batch_size`; None if no finer split is possible.
    """
    training = config.training
    if ran_out_at < training.accumulation:
        return training.accumulation
    quarters = min(training.batch_size, FACTOR * training.accumulation)
    finer = quarters if ran_out_at < quarters else training.batch_size
    split = replace(config, training=replace(training, accumulation=finer))
    return None if finer <= ran_out_at or illegal(split) else finer


def finest_split(config: TrialConfig) -> int:
    """The most micro-batches that a step of this trial can be split into."""
    n = config.training.accumulation
    while (finer := n_micro_batches(config, n)) is not None:
        n = finer
    return n
