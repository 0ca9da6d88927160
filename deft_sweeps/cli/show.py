"""Tables and JSON on stdout: coloured on a terminal, plain in a pipe."""

import json
import sys
from typing import Any

from deft_sweeps.report.sheet import Sheet, as_rich, as_text


def table(sheet: Sheet) -> None:
    """Print a table: coloured on a terminal, plain in a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(as_rich(sheet))
    else:
        print(as_text(sheet))


def as_json(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def size(n_bytes: float) -> str:
    """`1.2 GiB`."""
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """`about 3 h 20 min`, to the precision worth saying."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
