from pathlib import Path

import pytest

from deft_sweeps.errors import DataError
from deft_sweeps.specification.column_guess import guess_columns
from tests.tables import ROWS, write


def test_named_columns_win(tmp_path: Path) -> None:
    guess = guess_columns(write(tmp_path / "x.csv", ROWS), text="review", label="stars")
    assert guess.classes == ("0", "1", "2", "3", "4")


def test_label_is_not_the_text_id(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text_id": i, "said": "many words " * 5, "mood": i % 2} for i in range(9)
    ]
    assert (
        guess_columns(write(tmp_path / "x.csv", rows)).text,
        guess_columns(tmp_path / "x.csv").label,
    ) == ("said", "mood")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", "a", "ends in .csv"),
        ("x.csv", "", "no rows"),
        ("x.csv", "text,label\n", "no rows"),
        ("x.csv", "text;label\na;b\n", "at least two columns"),
        ("x.csv", "text,label\na,b,c\n", "row 1 has more fields"),
        ("x.csv", "text,other\nlong text,1\nmore text,2\n", "looks like a label"),
        ("x.jsonl", "[1]\n", "expected a JSON object"),
        ("x.jsonl", "{", "cannot be read"),
        ("x.parquet", "none", "cannot be read"),
    ],
)
def test_files_that_give_no_clue(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        guess_columns(tmp_path / name)


def test_missing_file_and_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        guess_columns(tmp_path / "none.csv")
    with pytest.raises(DataError, match="did you mean review"):
        guess_columns(write(tmp_path / "x.csv", ROWS), text="revew")
