"""What a final measurement measures. Loads neither torch nor ray."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import FinalRole


@dataclass(frozen=True, slots=True)
class FinalJob:
    """What to measure.

    Attributes:
        weights: what the trial trained, as `TrialRun.weights` gave it; empty while they are not
            read.
        threshold: of the gate; None calibrates it.
        density: where `threshold` is None, the activation density on validation examples to
            calibrate it to.
        percentile: each block has its own threshold; where `density` is given, the share that gives
            this density is looked for instead.
        block_thresholds: the blocks' own thresholds, for the percentile; empty calibrates them.
        measured: thresholds at which the trial was measured on validation examples (percentiles if
            `percentile` is given), each with its activation density; calibration starts from them.
    """

    role: FinalRole
    config: TrialConfig
    seed: int
    weights: bytes = b""
    threshold: float | None = None
    density: float | None = None
    percentile: float | None = None
    block_thresholds: tuple[float, ...] = ()
    measured: tuple[tuple[float, float], ...] = ()

    @property
    def split(self) -> Literal["selection", "test"]:
        """The examples to measure on."""
        return "selection" if self.role == "candidate" else "test"

    @property
    def trial_id(self) -> str:
        """Of the trial whose weights are measured."""
        return self.config.trial_id(self.seed)
