"""The folder that a spec's relative paths start from: the spec's own, or for the copy in a sweep's
folder that of the file which was run.
"""

import json
import os
from pathlib import Path

from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.sweep_dir import SweepDir


def spec_folder(file: Path) -> Path:
    """The folder that the relative paths in a spec's file start from, absolute.

    A sweep's folder without a record is an earlier version's, whose paths start from the working
    directory.
    """
    sweep = SweepDir(file.parent)
    if file.name == sweep.spec_path.name:
        recorded = _recorded(sweep)
        if recorded is not None:
            return recorded
        if sweep.has_results() or sweep.note() is not None:
            return Path.cwd()
    return file.parent.resolve()


def write_origin(sweep: SweepDir, folder: str) -> None:
    """Record where the spec's relative paths start from; from the sweep's folder too, in case the
    two move together.
    """
    if not folder or _recorded(sweep) == Path(folder):
        return
    record = {"folder": folder, "from_here": os.path.relpath(folder, sweep.root.resolve())}
    write_atomically(sweep.origin_path, json.dumps(record, indent=1).encode() + b"\n")


def _recorded(sweep: SweepDir) -> Path | None:
    try:
        record = json.loads(sweep.origin_path.read_bytes())
        folder = Path(record["folder"])
        moved = sweep.root.resolve() / Path(record["from_here"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if folder.is_dir() or not moved.is_dir():
        return folder
    return moved.resolve()
