"""A dataclass in a JSON file."""

import json
from pathlib import Path

import pytest

from deft_sweeps.result import StructureCost
from deft_sweeps.result.data_profile import DataProfile, SplitProfile
from deft_sweeps.store.json_record import read_record, write_record

PROFILE = DataProfile(kind="text", splits={"train": SplitProfile(n_rows=3)}, notes=("ü",))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.json"
    for _ in range(2):  # The second replaces the first.
        write_record(path, PROFILE)
    assert read_record(path, DataProfile) == PROFILE
    assert json.loads(path.read_text(encoding="utf-8"))["notes"] == ["ü"]
    assert path.read_bytes().endswith(b"\n}\n")
    assert [file.name for file in path.parent.iterdir()] == ["data.json"]


def test_what_is_no_record_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    with pytest.raises(FileNotFoundError):
        read_record(path, DataProfile)
    write_record(path, PROFILE)
    with pytest.raises(ValueError, match="trial_id"):
        read_record(path, StructureCost)
