import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from deft_sweeps.cache import build_once, cache_folder


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("DEFT_SWEEPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "deft_sweeps"


def test_a_failed_build_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(tmp_path / "made", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]
    assert (
        build_once(tmp_path / "made", lambda into: (into / "whole").touch()) / "whole"
    ).is_file()


def _build_slowly(folder: Path, log: Path) -> None:
    def build(into: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        (into / "a").write_text("1")
        time.sleep(0.3)
        (into / "b").write_text("2")

    made = build_once(folder, build)
    assert sorted(path.name for path in made.iterdir()) == ["a", "b"]


def test_processes_that_race_build_once_and_see_it_whole(tmp_path: Path) -> None:
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
        made = build_once(tmp_path / "made", lambda into: (into / "a").touch())
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((made / "a").stat().st_mode) == 0o666 & ~umask
