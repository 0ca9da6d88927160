import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from deft_sweeps.config.data import FileTask
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.examples import Example, read_rotten_tomatoes
from deft_sweeps.tasks.files import read_file

ROWS = [
    {"text": "Good, really.\nTwo lines.", "label": "01", "who": "a"},
    {"text": 'She said "no".', "label": "2 ", "who": "b"},
    {"text": "3.50", "label": "01", "who": "a"},
]
PLAIN = FileTask(path="-")
READ = [
    Example("Good, really.\nTwo lines.", "01", "a"),
    Example('She said "no".', "2", "b"),
    Example("3.50", "01", "a"),
]


def written(folder: Path, ending: str) -> Path:
    import csv

    path = folder / f"data{ending}"
    if ending == ".parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    elif ending == ".json":
        path.write_text(json.dumps(ROWS, indent=1))
    elif ending == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(
                file, ["who", "text", "label"], delimiter="\t" if ending == ".tsv" else ","
            )
            writer.writeheader()
            writer.writerows(ROWS)
    return path


def test_rotten_tomatoes_is_what_the_docs_say() -> None:
    examples = read_rotten_tomatoes()
    assert Counter(example.label for example in examples) == {"positive": 7403, "negative": 5405}
    assert all(example.text.strip() and example.group for example in examples)
    assert len({example.group for example in examples}) > 300


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_kind_of_file_reads_alike(ending: str, tmp_path: Path) -> None:
    assert read_file(written(tmp_path, ending), FileTask(path="-", group="who")).examples == READ


def test_without_group_each_text_is_one(tmp_path: Path) -> None:
    assert [example.group for example in read_file(written(tmp_path, ".csv"), PLAIN).examples] == [
        r.text for r in READ
    ]


def test_labels_that_are_no_text_become_it(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": true}\n{"text": null}\n')
    assert [(e.text, e.label) for e in read_file(path, PLAIN).examples] == [
        ("a", "1"),
        ("b", "True"),
        ("", ""),
    ]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_missing_columns_are_listed_beside_those_there_are(ending: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no column review, stars; there are (text, label, who|who, text, label)"
    ):
        read_file(written(tmp_path, ending), FileTask(path="-", text="review", label="stars"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"text,label\nx,1\ny,1,2\n",
            r"a\.csv:3: expected 2 fields, got 3; a field with a comma needs quotes",
        ),
        ("a.csv", b"", r"no column text, label; there are none"),
        ("a.csv", b"text,label\n\xff\xfe,1\n", r"a\.csv:2: not UTF-8; in latin-1 the line reads"),
        (
            "a.csv",
            b'text,label\n"x, y",1\n"x,1\n',
            r"a\.csv:3: a quote opens a field here and is never",
        ),
        ("a.jsonl", b'{"text": "x", "label": 1}\n{oops\n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b"[1]\n", r"a\.jsonl: row 1: expected a JSON object, got int"),
        ("a.parquet", b"PAR?", r"a\.parquet: cannot be read"),
        ("a.xlsx", b"", r"expected a file that ends in \.csv, \.tsv, \.jsonl, \.json, \.parquet"),
    ],
)
def test_files_that_cannot_be_read_say_where_and_why(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_file(tmp_path / name, PLAIN)


def test_a_missing_file_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"looked for at {tmp_path}/none.csv"):
        read_file(Path("none.csv"), PLAIN)
