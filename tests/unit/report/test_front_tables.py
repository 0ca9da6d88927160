"""Tables of the front, the choice and its test measurements, each figure with what it is."""

from dataclasses import replace

from deft_sweeps.findings import choose
from deft_sweeps.report.front_tables import finals_table, front_table, lost_table, steps_table
from deft_sweeps.result import DensityReading
from tests.made_sweep import sweep_finals, sweep_results, sweep_spec

RESULTS = sweep_results()
SPEC = sweep_spec()
CHOICE = choose(RESULTS, SPEC.objectives, SPEC.limits, SPEC.choose)


def test_the_front_shows_score_with_error_and_both_stacks() -> None:
    table = front_table(CHOICE.front, CHOICE)
    assert len(table.rows) == len(CHOICE.front.members)
    (chosen,) = [row for row in table.rows if row.mark == "chosen"]
    assert {"0.790 ± 0.017", "0.077 (0.140 / 0.014)", "147.8 MiB"} <= set(chosen.cells)
    assert "accuracy on 600 validation examples, measured" in table.note
    assert ">latency, proxy" in table.columns


def test_the_density_while_writing_has_a_column_where_there_is_one() -> None:
    assert ">density while writing" not in front_table(CHOICE.front).columns
    written = DensityReading(encoder_blocks=(0.5,), decoder_blocks=(0.1, 0.3))
    first, *others = CHOICE.front.members
    with_written = replace(first, values={**first.values, "written_density": written.overall})
    table = front_table(replace(CHOICE.front, members=(with_written, *others)))
    column = table.columns.index(">density while writing")
    assert [row.cells[column] for row in table.rows] == ["0.300", *("–" for _ in others)]


def test_finals_are_paired_with_the_chosen_one() -> None:
    table = finals_table(sweep_finals(), None)
    assert [row.cells[0] for row in table.rows] == ["chosen", "baseline", "twin"]
    assert table.rows[1].cells[-2].startswith("-0.015 [")
    assert "2000 test examples" in table.note
    assert ">latency, measured" in table.columns
    assert finals_table((), None).rows == ()


def test_every_other_member_has_its_reason_and_every_step_its_price() -> None:
    n = len(CHOICE.front.members)
    assert len(lost_table(CHOICE).rows) == n - 1
    assert all(row.cells[-1] for row in lost_table(CHOICE).rows)
    steps = steps_table(CHOICE.front).rows
    assert len(steps) == n - 1
    assert all("score" in row.cells[2] and "activation_density" in row.cells[3] for row in steps)
