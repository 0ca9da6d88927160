import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.data import FileTask
from deft_sweeps.errors import DataError
from deft_sweeps.spec.load import parse_spec
from deft_sweeps.spec.starter import Sniffed, sniff, starter

ROWS = [
    {"id": i, "review": f"this film number {i} is quite long to watch", "stars": i % 5, "verdict": "good" if i % 3 else "bad"}
    for i in range(30)
]


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".parquet":
            import pyarrow as pa
            import pyarrow.parquet

            pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows)), path)
        case ending:
            separator = "\t" if ending == ".tsv" else ","
            path.write_text("\n".join(separator.join(str(cell) for cell in line) for line in [rows[0], *(row.values() for row in rows)]))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_sniffs_and_writes_a_valid_spec(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"my reviews.{ending}", ROWS)
    found = sniff(path)
    assert (found.text, found.label, found.classes, found.n_rows) == ("review", "verdict", ("bad", "good"), 30)
    assert found.columns == ("id", "review", "stars", "verdict")
    spec = parse_spec(starter(found), "starter.yaml")
    assert spec.name == "my-reviews"
    task = spec.combinations[0].template.task
    assert isinstance(task, FileTask)
    assert (task.path, task.text, task.label, task.splits.validation) == (str(path), "review", "verdict", 6)
    assert any(combination.template.is_plain_peft for combination in spec.combinations)


def test_named_columns_win(tmp_path: Path) -> None:
    found = sniff(write(tmp_path / "x.csv", ROWS), text="review", label="stars")
    assert found.classes == ("0", "1", "2", "3", "4")


def test_label_is_not_the_text_id(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text_id": i, "said": "many words " * 5, "mood": i % 2} for i in range(9)]
    assert (sniff(write(tmp_path / "x.csv", rows)).text, sniff(tmp_path / "x.csv").label) == ("said", "mood")


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
        sniff(tmp_path / name)


def test_missing_file_and_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        sniff(tmp_path / "none.csv")
    with pytest.raises(DataError, match="did you mean review"):
        sniff(write(tmp_path / "x.csv", ROWS), text="revew")


def test_what_is_given_away_beside_the_baseline_is_bounded_surely(tmp_path: Path) -> None:
    spec = parse_spec(starter(sniff(write(tmp_path / "x.csv", ROWS))), "starter.yaml")
    assert [str(limit) for limit in spec.choose.where] == ["surely score >= baseline(peft) - 0.02"]


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
def test_any_name_is_quoted(column: str, path: str) -> None:
    found = Sniffed(
        path=path, columns=(column, "label", column + "2"), text=column, label="label", classes=("a", "b"), n_rows=10, max_input_tokens=16
    )
    task = parse_spec(starter(found), "starter.yaml").combinations[0].template.task
    assert isinstance(task, FileTask)
    assert (task.text, task.path) == (column, path)
