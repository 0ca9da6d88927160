"""The look at a sweep's data: data.json in its folder, so that a report needs no data."""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.result.data_profile import DataProfile
from deft_sweeps.store.json_record import read_record, write_record


@dataclass(frozen=True, slots=True)
class DataRecord:
    """The stored profile of a sweep's data.

    Attributes:
        root: the sweep's folder.
    """

    root: Path

    @property
    def _path(self) -> Path:
        return self.root / "data.json"

    def write(self, profile: DataProfile) -> None:
        """Keep the profile; an earlier one is replaced."""
        write_record(self._path, profile)

    def profile(self) -> DataProfile | None:
        """The profile; None if there is none that can be read, as in sweeps of earlier versions."""
        try:
            return read_record(self._path, DataProfile)
        except (OSError, ValueError):
            return None
