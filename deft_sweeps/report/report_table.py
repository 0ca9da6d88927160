"""A table as data, so that terminal, pipe and page show the same rows."""

from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from deft_sweeps.report.terminal_text import printable, printable_lines

Mark = Literal["", "chosen", "runner-up", "baseline", "failed"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        ref: id of the point in the scatter; empty where there is none.
    """

    cells: tuple[str, ...]
    mark: Mark = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A titled table.

    Attributes:
        columns: header of each; one that begins with `>` holds figures and is set to the right.
        note: what the figures are, under the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def heads(self) -> tuple[tuple[str, bool], ...]:
        """Each column's header, and whether it holds figures."""
        return tuple((column.removeprefix(">"), column.startswith(">")) for column in self.columns)


_STYLES: dict[Mark, str] = {
    "": "",
    "chosen": "bold green",
    "runner-up": "cyan",
    "baseline": "yellow",
    "failed": "red",
}


def as_rich(table: ReportTable) -> Table:
    """For a terminal."""
    drawn = Table(
        title=Text(printable(table.title)),
        caption=Text(printable(table.note)) if table.note else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    for head, figures in table.heads:
        drawn.add_column(head, justify="right" if figures else "left", overflow="fold")
    for row in table.rows:
        # rich reads [brackets] in a str as markup; a Text is taken as it is.
        drawn.add_row(*(Text(printable_lines(cell)) for cell in row.cells), style=_STYLES[row.mark])
    return drawn


def as_text(table: ReportTable) -> str:
    """For a pipe or a log: aligned columns as wide as they need, no colour, nothing cut."""
    heads = table.heads
    lines = [
        tuple(head for head, _ in heads),
        *(tuple(_one_line(cell) for cell in row.cells) for row in table.rows),
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    laid = [
        "  ".join(
            cell.rjust(width) if figures else cell.ljust(width)
            for cell, width, (_, figures) in zip(line, widths, heads, strict=True)
        ).rstrip()
        for line in lines
    ]
    head, notes = printable(table.title), [printable(table.note)] if table.note else []
    return "\n".join([head, *laid, *notes]) + "\n"


def _one_line(cell: str) -> str:
    return printable(" ".join(cell.split()))
