"""Which stored bases go when room is short, and which never do."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from deft_sweeps.atomic_build import HOST
from deft_sweeps.trial import base_room
from deft_sweeps.trial.base_room import (
    FOLDER_VARIABLE,
    IN_USE,
    LIMIT_VARIABLE,
    bases_folder,
    bases_limit,
    lease_of,
    make_room,
)

MIB = 2**20


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path))
    (bases_folder() / HOST).mkdir(parents=True)
    return bases_folder() / HOST


def test_the_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert bases_folder() == tmp_path / "bases"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "local"))
    assert bases_folder() == tmp_path / "local"


def stored(folder: Path, name: str, age_sec: float, mib: int = 10) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    (made / "base.tensors").write_bytes(bytes(mib * MIB))
    (made / IN_USE).touch()
    used_at = time.time() - age_sec
    os.utime(made / IN_USE, (used_at, used_at))
    return made


def test_the_least_recently_used_go_first_and_no_more_than_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "35 MiB")
    old, older, new = (stored(folder, name, age) for name, age in (("b", 20), ("c", 30), ("a", 10)))
    make_room(4 * MIB)
    assert all(path.is_dir() for path in (old, older, new))
    make_room(12 * MIB)
    assert (old.is_dir(), older.is_dir(), new.is_dir()) == (True, False, True)


def test_an_open_base_stays_until_it_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "15 MiB")
    made = stored(folder, "a", 30)
    leases = [lease_of(made), lease_of(made)]
    for lease in leases:
        assert lease is not None
        with pytest.raises(OSError, match=rf"no room beside 10.0 MiB in use.*{LIMIT_VARIABLE}"):
            make_room(10 * MIB)
        assert made.is_dir()
        lease.close()
    make_room(10 * MIB)
    assert not made.exists()
    assert lease_of(made) is None


def test_opening_counts_as_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "25 MiB")
    first, second = stored(folder, "a", 30), stored(folder, "b", 20)
    lease = lease_of(first)
    assert lease is not None
    lease.close()
    make_room(10 * MIB)
    assert first.is_dir()
    assert not second.exists()


def test_another_machines_base_goes_after_a_week_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "25 MiB")
    recent = stored(folder.parent / "elsewhere", "a", 6 * 86400)
    unused = stored(folder.parent / "elsewhere", "b", 8 * 86400)
    make_room(10 * MIB)
    assert recent.is_dir()
    assert not unused.exists()
    with pytest.raises(OSError, match="no room"):
        make_room(20 * MIB)
    assert recent.is_dir()


def test_by_default_half_of_the_free_room_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    disk = SimpleNamespace(free=30 * MIB)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    made = stored(folder, "a", 10)  # So 20 MiB for bases.
    make_room(9 * MIB)
    assert made.is_dir()
    make_room(12 * MIB)
    assert not made.exists()
    with pytest.raises(OSError, match="no room"):
        make_room(16 * MIB)


def test_what_a_killed_builder_left_goes_a_day_later(folder: Path) -> None:
    left_over = folder / f".digest.{HOST}.0123456789ab"
    left_over.mkdir()
    make_room(0)
    assert left_over.is_dir()
    os.utime(left_over, (0, 0))
    make_room(0)
    assert not left_over.exists()


@pytest.mark.parametrize(
    ("text", "limit"),
    [("", None), ("0", 0), ("20 GiB", 20 * 2**30), ("-1", 0), ("many", None), ("1 s", None)],
)
def test_the_limit_is_read_from_the_environment(
    text: str,
    limit: float | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    base_room.warn_once.cache_clear()
    monkeypatch.setenv(LIMIT_VARIABLE, text)
    assert bases_limit() == bases_limit() == limit
    assert len(caplog.messages) == (text in {"many", "1 s"})
