from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.data import FileTask
from deft_sweeps.specification.column_guess import ColumnGuess, guess_columns
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.starter import starter_spec
from tests.tables import ROWS, write


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_guesses_the_columns_and_writes_a_valid_spec(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"my reviews.{ending}", ROWS)
    guess = guess_columns(path)
    assert (guess.text, guess.label, guess.classes, guess.n_rows) == (
        "review",
        "verdict",
        ("bad", "good"),
        30,
    )
    assert guess.columns == ("id", "review", "stars", "verdict")
    spec = parse_spec(starter_spec(guess), "starter.yaml")
    assert spec.name == "my-reviews"
    task = spec.combinations[0].template.task
    assert isinstance(task, FileTask)
    assert (task.path, task.text, task.label, task.splits.validation) == (
        str(path),
        "review",
        "verdict",
        6,
    )
    assert any(combination.template.is_plain_peft for combination in spec.combinations)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(NAMES, NAMES)
def test_any_name_is_quoted(column: str, path: str) -> None:
    guess = ColumnGuess(
        path=path,
        columns=(column, "label", column + "2"),
        text=column,
        label="label",
        classes=("a", "b"),
        n_rows=10,
        max_input_tokens=16,
    )
    task = parse_spec(starter_spec(guess), "starter.yaml").combinations[0].template.task
    assert isinstance(task, FileTask)
    assert (task.text, task.path) == (column, path)


def test_what_is_given_away_beside_the_baseline_is_bounded_surely(tmp_path: Path) -> None:
    spec = parse_spec(starter_spec(guess_columns(write(tmp_path / "x.csv", ROWS))), "starter.yaml")
    assert [str(limit) for limit in spec.choose.where] == ["surely score >= baseline(peft) - 0.02"]
