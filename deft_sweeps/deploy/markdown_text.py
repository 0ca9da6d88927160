"""Markdown of values that others wrote: a name or a label cannot become markup, a link or HTML."""

import re
from collections.abc import Sequence

from deft_sweeps.report.terminal_text import printable

_MARKUP = re.compile(r"[\\`*_\[\]<>&|~#!$@]")
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


def escaped(text: str) -> str:
    """One line of text that Markdown shows as it is, also in a table's cell."""
    plain = _MARKUP.sub(lambda sign: f"\\{sign[0]}", printable(text))
    return _LINK.sub(lambda start: start[0].replace(":", "\\:").replace(".", "\\."), plain)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells are escaped here, the columns' heads are the caller's own words."""
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def code(language: str, text: str) -> str:
    """A block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
