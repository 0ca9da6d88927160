"""Questions that a process of its own answers."""

from pathlib import Path

import pytest

from deft_sweeps.models.probe_process import ProbeError, answer_of


def answering(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module with this code."""
    (folder / "made_probe.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    return "made_probe"


def test_the_last_line_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import json, os, sys\nprint('a library greets')\n"
        "print(json.dumps([json.load(sys.stdin), os.environ['HF_HUB_OFFLINE']]))"
    )
    name = answering(tmp_path, code, monkeypatch)
    assert answer_of(name, '{"of": ["ü"]}', 60) == [{"of": ["ü"]}, "1"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('first')", "ValueError: first"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("import time; time.sleep(60)", "it took longer than 0.5 s"),
    ],
)
def test_a_process_without_an_answer(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = answering(tmp_path, code, monkeypatch)
    with pytest.raises(ProbeError, match=f"^{message}$"):
        answer_of(name, "{}", 0.5 if "sleep" in code else 60)
