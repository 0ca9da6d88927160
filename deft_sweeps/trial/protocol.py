"""What the sweep knows of a trial: something that can be advanced, saved and finished. Loads
neither torch nor ray.
"""

from typing import Protocol

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Advance, CompleteTrial, Point


class TrialRun(Protocol):
    """One trial on its way."""

    def advance(self, n_steps: int) -> Advance:
        """Train up to `n_steps` more steps.

        Raises:
            TrialError: the trial cannot go on (a loss that is not finite).
        """
        ...

    def split(self, n_micro_batches: int) -> None:
        """Split each batch of the steps to come into so many micro-batches, >= 1 and at most
        `batch_size`: less memory, the same gradient.
        """
        ...

    def state(self) -> bytes:
        """A checkpoint: `start` with it goes on as if nothing had happened."""
        ...

    def measure(self, thresholds: tuple[float, ...]) -> tuple[Point, ...]:
        """Score and density on the validation split as the model stands, one point a threshold;
        changes nothing of the trial.
        """
        ...

    def weights(self) -> bytes:
        """The trained parameters alone, as safetensors; what a front member is measured and
        exported from.
        """
        ...

    def finish(self) -> CompleteTrial:
        """Evaluate at every threshold, take the costs, and let go of what the trial holds."""
        ...


class TrialStarter(Protocol):
    """Starts trials in a worker; made once a worker from a picklable maker, so that it can keep
    bases and data warm.
    """

    def __call__(self, config: TrialConfig, seed: int, state: bytes | None) -> TrialRun:
        """Start a trial, or go on with one from its saved state."""


class TrialStarterFactory(Protocol):
    """What is shipped to a worker."""

    def __call__(self) -> TrialStarter:
        """Make the starter in a worker."""
