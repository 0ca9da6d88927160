"""What early stopping saved, counted in optimiser steps."""

from collections.abc import Iterable
from dataclasses import dataclass

from deft_sweeps.result import CompleteTrial, StoppedTrial, TrialResult


@dataclass(frozen=True, slots=True)
class SavedSteps:
    """Training that was not done.

    Attributes:
        n_stopped: trials stopped early.
        n_steps: optimiser steps of the stopped and the complete trials, measured; failed ones, and
            those stopped at no rung, count on neither side.
        n_steps_whole: the same if none had been stopped.
    """

    n_stopped: int
    n_steps: int
    n_steps_whole: int

    @property
    def share(self) -> float:
        """Of the steps that were saved, in [0, 1]."""
        return 1.0 - self.n_steps / self.n_steps_whole if self.n_steps_whole else 0.0

    def __add__(self, other: "SavedSteps") -> "SavedSteps":
        return SavedSteps(
            self.n_stopped + other.n_stopped,
            self.n_steps + other.n_steps,
            self.n_steps_whole + other.n_steps_whole,
        )

    def __str__(self) -> str:
        return f"{self.n_stopped} stopped early, {self.share:.2f} of the training steps saved"


def saved_steps(results: Iterable[TrialResult]) -> SavedSteps:
    """Count over a sweep's trials of any status."""
    ended = [
        r
        for r in results
        if isinstance(r, CompleteTrial) or (isinstance(r, StoppedTrial) and r.rungs)
    ]
    stopped = [result for result in ended if isinstance(result, StoppedTrial)]
    whole = sum(result.config.training.steps for result in ended)
    left_out = sum(result.config.training.steps - result.rungs[-1].step for result in stopped)
    return SavedSteps(len(stopped), whole - left_out, whole)


def stopped_text(result: TrialResult) -> str:
    """`stopped after 20 of 180 steps`, or just `stopped` where it was at no rung."""
    return (
        f"stopped after {result.rungs[-1].step} of {result.config.training.steps} steps"
        if result.rungs
        else "stopped"
    )
