"""What is built once: whole or not at all, also beside builders that were killed."""

import multiprocessing
import os
import platform
import re
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deft_sweeps.atomic_build import (
    build_file,
    build_folder,
    remove_folder,
    remove_old_leftovers,
)


def test_a_failed_build_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_folder(tmp_path / "made", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]
    assert (
        build_folder(tmp_path / "made", lambda into: (into / "whole").touch()) / "whole"
    ).is_file()


def _build_slowly(folder: Path, log: Path) -> None:
    def build(into: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        (into / "a").write_text("1")
        time.sleep(0.3)
        (into / "b").write_text("2")

    made = build_folder(folder, build)
    assert sorted(path.name for path in made.iterdir()) == ["a", "b"]


def test_processes_that_race_build_a_folder_once_and_see_it_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_build_slowly, args=(tmp_path / "made", tmp_path / "log"))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (tmp_path / "log").read_text() == "built\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.lock", "log", "made"]


@pytest.mark.parametrize("umask", [0o002, 0o077], ids=oct)
def test_what_is_built_follows_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = build_folder(tmp_path / "made", lambda into: (into / "a").touch())
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((made / "a").stat().st_mode) == 0o666 & ~umask


def _write_and_die(path: Path) -> None:
    path.write_text("half")
    Path(f"{path}-journal").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _fill_and_die(path: Path) -> None:
    (path / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("build", "die", "whole"),
    [
        (build_file, _write_and_die, lambda path: path.write_text("whole")),
        (build_folder, _fill_and_die, lambda path: (path / "whole").touch()),
    ],
    ids=["file", "folder"],
)
def test_what_a_killed_builder_left_is_removed_by_the_next_one(
    tmp_path: Path,
    build: Callable[[Path, Callable[[Path], object]], Path],
    die: Callable[[Path], None],
    whole: Callable[[Path], object],
) -> None:
    killed = multiprocessing.get_context("fork").Process(target=build, args=(tmp_path / "a", die))
    killed.start()
    killed.join(30)
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "a").exists()
    assert len(list(tmp_path.glob(".a.*.*"))) >= 1
    build(tmp_path / "a", whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.lock", "a"]


def test_a_builder_on_another_machine_is_left_alone_for_a_day(tmp_path: Path) -> None:
    """The lock may not hold on a drive that machines share."""
    other, old, unrelated = (
        tmp_path / name for name in (".a.elsewhere.0123456789ab", ".a.gone.0123456789ab", ".a.txt")
    )
    for path in (other, old, unrelated):
        path.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    os.utime(unrelated, (time.time() - 2 * 86400,) * 2)
    build_file(tmp_path / "a", Path.touch)
    assert other.exists()
    assert unrelated.exists()
    assert not old.exists()


def test_the_error_of_a_build_names_no_temporary_file(tmp_path: Path) -> None:
    """A warning of it is told once, and so must be the same sentence each time."""

    def fail(into: Path) -> None:
        (into / "missing" / "file").touch()

    messages = set()
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as raised:
            build_folder(tmp_path / "a", fail)
        messages.add(str(raised.value))
    assert len(messages) == 1
    assert str(tmp_path / "a" / "missing" / "file") in messages.pop()


def test_the_host_is_in_a_temporary_name(tmp_path: Path) -> None:
    names = list[str]()
    build_file(tmp_path / "a", lambda path: names.append(path.name))
    assert re.sub(r"\W", "-", platform.node()) in names[0]


def test_a_removed_folder_is_gone_and_can_be_built_again(tmp_path: Path) -> None:
    folder = build_folder(tmp_path / "a", lambda into: (into / "whole").touch())
    remove_folder(folder)
    remove_folder(folder)  # Another process was faster.
    assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
    assert (build_folder(folder, lambda into: (into / "again").touch()) / "again").exists()


def test_leftovers_of_any_builder_go_a_day_later(tmp_path: Path) -> None:
    names = (".a.host.0123456789ab", ".b.other.0123456789ab", ".a.lock", "a")
    for name in names:
        (tmp_path / name).mkdir()
    remove_old_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    for name in names:
        os.utime(tmp_path / name, (0, 0))
    remove_old_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".a.lock", "a"}
    remove_old_leftovers(tmp_path / "missing")
