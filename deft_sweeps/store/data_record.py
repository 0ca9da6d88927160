"""The look at a sweep's data: data.json in its folder, so that a report needs no data."""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.config.trial import codec
from deft_sweeps.result.data_profile import DataProfile
from deft_sweeps.store.atomic_file import write_atomically


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
        write_atomically(self._path, codec(DataProfile).dump_json(profile, indent=1) + b"\n")

    def profile(self) -> DataProfile | None:
        """The profile; None if there is none that can be read, as in sweeps of earlier versions."""
        try:
            profile: DataProfile = codec(DataProfile).validate_json(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        return profile
