"""What a plan says of the certificate."""

from dataclasses import replace

from deft_sweeps.objective import parse_policy
from deft_sweeps.report.power_table import certification_told, power_table
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.split import Examples
from tests.made_sweep import sweep_spec


def spec(policy: str, selection: int) -> SweepSpec:
    base = sweep_spec()
    combinations = tuple(
        replace(
            one,
            template=replace(
                one.template,
                task=replace(
                    one.template.task,
                    splits=replace(one.template.task.splits, selection=selection),
                ),
            ),
        )
        for one in base.combinations
    )
    return replace(base, limits=(), choose=parse_policy(policy), combinations=combinations)


ROWS = [Example("a film", "good", "a film")]
NARROW = "best activation_density where score >= baseline(peft) - 0.02"


def test_power_at_each_discordance() -> None:
    rows = [row.cells for row in power_table(spec(NARROW, 1200)).rows]
    assert [row[1] for row in rows] == ["3%", "6%", "10%"]
    assert [row[4] for row in rows] == ["464", "928", "1,546"]
    no_loss, half = ([float(row[i].rstrip("%")) for row in rows] for i in (2, 3))
    assert no_loss == sorted(no_loss, reverse=True)
    assert all(a > b for a, b in zip(no_loss, half, strict=True))


def test_too_few_examples_are_said() -> None:
    sentence = certification_told(spec(NARROW.replace("0.02", "0.005"), 400))
    assert "Nothing can be certified: 400 selection examples" in sentence
    assert "598" in sentence


def test_without_a_selection_split_there_is_no_certificate() -> None:
    assert "will not be certified" in certification_told(spec(NARROW, 0))
    assert power_table(spec(NARROW, 0)).rows == ()


def test_absolute_limits_have_no_row() -> None:
    assert power_table(spec("best activation_density where score >= 0.8", 1200)).rows == ()
    limited = spec("best activation_density where score >= 0.8", 1200)
    assert "can be certified on 1200" in certification_told(limited)
    assert "names a limit" in certification_told(spec("knee", 1200))
    assert "at least 299" in certification_told(spec("best loss where score >= 0.99", 100))


def test_no_more_is_proposed_than_a_quarter_of_the_file() -> None:
    def sentence(n_selectable: int, margin: str = "0.02") -> str:
        splits = Examples(ROWS, [], [], n_selectable=n_selectable)
        return certification_told(spec(NARROW.replace("0.02", margin), 0), splits)

    assert "`splits: {selection: 1200}` sets them aside" in sentence(5_000)
    assert "`splits: {selection: 200}` sets them aside" in sentence(200)
    assert "a quarter of the training file, 100 examples, is the most there can be" in sentence(100)
    assert "these limits need at least 149" in sentence(100)
    assert "`splits: {selection: 100}`" in sentence(100, "0.1")


def test_the_examples_that_were_drawn_count_not_those_that_were_asked_for() -> None:
    requested = spec(NARROW, 1200)
    splits = Examples(ROWS, [], [], ROWS * 100, n_selectable=100)
    assert "Nothing can be certified: 100 selection examples" in certification_told(
        requested, splits
    )
    assert "raise" not in certification_told(requested, splits)
    splits = Examples(ROWS, [], [], ROWS * 464, n_selectable=464)
    sentence = certification_told(requested, splits)
    assert sentence == "The choice can be certified on 464 selection examples."
    assert power_table(requested, splits).rows[0].cells[2] == "80%"
