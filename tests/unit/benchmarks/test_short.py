"""The runner of short benchmarks."""

import os
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import short
from benchmarks.short import SHORT, VALUE_WIDTH, Row, Short, last_line, run, table


def test_every_short_form_is_of_a_benchmark_and_named_once() -> None:
    names = [one.name for one in SHORT]
    assert len(set(names)) == len(names)
    assert all(find_spec(f"benchmarks.{name}") for name in names)


def test_the_last_line_with_anything_in_it_counts() -> None:
    assert last_line("a\n  b \n\n") == "b"
    assert last_line("\n") == "nothing printed"
    assert len(last_line("x" * 500)) == VALUE_WIDTH


def test_a_cell_cannot_break_the_table() -> None:
    rows = list(table([Row(Short("one", "claims", ("--x", "1")), "| a | b |", 12.4)]))
    assert rows[-1] == "| one --x 1 | claims | / a / b / | 12 |"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(short, "ROOT", tmp_path)
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    return folder


def test_an_error_and_a_limit_are_failures(made: Path) -> None:
    (made / "good.py").write_text("print('value 1')")
    (made / "bad.py").write_text("print('so far'); raise SystemExit(3)")
    (made / "long.py").write_text("import time; print('begun', flush=True); time.sleep(60)")
    good, bad = (run(Short(name, ""), 30.0) for name in ("good", "bad"))
    assert (good.value, good.failed) == ("value 1", False)
    assert (bad.value, bad.failed) == ("FAILED (3): so far", True)
    began = time.monotonic()
    stopped = run(Short("long", ""), 1.0)
    assert (stopped.value, stopped.failed) == ("stopped at its limit", True)
    assert time.monotonic() - began < 20


def test_an_interrupted_run_leaves_no_benchmark_running(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made / "long.py").write_text("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    shown: list[str] = []

    def interrupted(text: str, **_: object) -> None:
        shown.append(text)
        if len(shown) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(short, "print", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        run(Short("long", ""), 30.0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(shown[1]), 0)
