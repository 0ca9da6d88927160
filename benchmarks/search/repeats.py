"""Seeds of repeated configurations, as the sweep's own searcher assigns them."""

from dataclasses import dataclass, field

from deft_sweeps.config.trial import TrialConfig


@dataclass(slots=True)
class Repeats:
    """Counts the seeds of a configuration up from the sweep's first."""

    first: int = 0
    _next: dict[str, int] = field(default_factory=dict)

    def seed(self, config: TrialConfig) -> int:
        seed = self._next.get(config.config_id, self.first)
        self._next[config.config_id] = seed + 1
        return seed
