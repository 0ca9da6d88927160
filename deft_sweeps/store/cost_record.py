"""Costs that were measured alone: costs/<trial_id>.json in a sweep's folder, one a structure."""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.result import StructureCost
from deft_sweeps.store.json_record import read_record, write_record


@dataclass(frozen=True, slots=True)
class CostRecord:
    """The costs of a sweep's structures.

    Attributes:
        root: the sweep's folder.
    """

    root: Path

    @property
    def _folder(self) -> Path:
        return self.root / "costs"

    def write(self, cost: StructureCost) -> None:
        """Keep what was measured of a structure."""
        write_record(self._folder / f"{cost.trial_id}.json", cost)

    def costs(self) -> tuple[StructureCost, ...]:
        """What was measured; a file that cannot be read is left out, since it can be measured
        again.
        """
        costs = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                costs.append(read_record(path, StructureCost))
            except (OSError, ValueError):
                continue
        return tuple(costs)
