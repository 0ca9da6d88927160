"""One result as a file of a sweep's folder: its name, and why it cannot be read."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from deft_sweeps.errors import StoreError
from deft_sweeps.result import TrialResult, read_result

_NAME = re.compile(r"[0-9a-f]{12}-s[0-9]+\.json")


def is_result_name(name: str) -> bool:
    """Whether a file's name is a trial_id with `.json`.

    Programs that synchronise folders put copies of their own beside a file, such as `<name>
    (1).json` or `<name>.sync-conflict-<date>.json`: no trial wrote them.
    """
    return _NAME.fullmatch(name) is not None


def stray_note(names: Sequence[str]) -> str:
    """A sentence about files in `results/` that no trial wrote; empty where there are none."""
    if not names:
        return ""
    which = repr(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    return (
        f"results/ holds {which}, which no trial wrote (a copy of a program that synchronises"
        " folders?): not counted; move it away, or rename it to its trial_id if it is the only copy"
    )


def read_result_file(path: Path) -> TrialResult:
    """The result in a file.

    Raises:
        StoreError: it cannot be read, or is not that of the trial that the file is named after.
    """
    try:
        result = read_result(path.read_bytes())
    except (ValueError, OSError) as error:
        raise StoreError(unreadable(path, "a trial's result", error)) from error
    if result.trial_id != path.stem:
        wrong = ValueError(f"it is that of the trial {result.trial_id} {mending(path)}")
        raise StoreError(unreadable(path, "a trial's result", wrong))
    return result


def unreadable(path: Path, what: str, error: Exception) -> str:
    """A file of a sweep's subfolder, why it cannot be read, and what to do."""
    if not isinstance(error, ValidationError):
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{path}: cannot be read as {what}: {reason}"
    first = error.errors()[0]
    why = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    return f"{path}: cannot be read as {what}: {why} {mending(path)}"


def mending(path: Path) -> str:
    """What to do about a damaged file of a sweep's subfolder."""
    # The study is made from the results: without its result, a trial never was.
    then = "runs another trial" if path.parent.name == "results" else "makes it again"
    return f"(move the file away, then `deft-sweeps run {path.parents[1]} --resume` {then})"
