"""Costs that were measured alone: costs/<trial_id>.json in a sweep's folder, one a structure."""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.config.trial import codec
from deft_sweeps.result import StructureCost
from deft_sweeps.store.atomic_file import write_atomically


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
        content = codec(StructureCost).dump_json(cost, indent=1) + b"\n"
        write_atomically(self._folder / f"{cost.trial_id}.json", content)

    def costs(self) -> tuple[StructureCost, ...]:
        """What was measured; a file that cannot be read is left out, since it can be measured
        again.
        """
        costs = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                costs.append(codec(StructureCost).validate_json(path.read_bytes()))
            except (OSError, ValueError):
                continue
        return tuple(costs)
