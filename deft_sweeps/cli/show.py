"""Tables and JSON on stdout: coloured on a terminal, plain in a pipe."""

import json
import sys
from typing import Any

from deft_sweeps.report.report_table import ReportTable, as_rich, as_text


def table(table: ReportTable) -> None:
    """Print a table: coloured on a terminal, plain in a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(as_rich(table))
    else:
        print(as_text(table))


def as_json(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
