"""A table as a pipe and as a terminal show it."""

import io

from rich.console import Console

from deft_sweeps.findings import choose
from deft_sweeps.report.report_table import ReportTable, Row, as_rich, as_text
from tests.made_sweep import sweep_results, sweep_spec

RESULTS = sweep_results()
SPEC = sweep_spec()
CHOICE = choose(RESULTS, SPEC.objectives, SPEC.limits, SPEC.choose)


def test_a_pipe_gets_plain_text_and_nothing_is_cut() -> None:
    hostile = "[red]x[/red] " + "long " * 60
    table = ReportTable(
        "Title", ("name", ">n"), (Row((hostile, "1")), Row(("b", "23"), "chosen")), "note"
    )
    lines = as_text(table).splitlines()
    assert lines[0] == "Title"
    assert lines[-1] == "note"
    assert lines[2].startswith("[red]x[/red] long")
    assert lines[2].endswith("   1")
    assert lines[3].endswith("  23")
    assert len(lines[2]) == len(lines[3])


def test_a_terminal_gets_a_table_that_takes_brackets_as_they_are() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", width=60)
    console.print(as_rich(ReportTable("Title", ("name",), (Row(("[red]x[/red]",), "failed"),))))
    assert "[red]x[/red]" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()
