"""A trial that a search has proposed and that is under way."""

from dataclasses import dataclass

from deft_sweeps.config.trial import TrialConfig, codec


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial under way.

    Attributes:
        number: of the study's trial.
        started_at: seconds since the epoch.
    """

    number: int
    config: TrialConfig
    seed: int
    started_at: float

    @property
    def trial_id(self) -> str:
        return self.config.trial_id(self.seed)

    def tune_config(self) -> dict[str, object]:
        """What Tune ships to the worker."""
        return {"config": codec(TrialConfig).dump_json(self.config).decode(), "seed": self.seed}
