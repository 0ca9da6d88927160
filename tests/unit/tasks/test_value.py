"""Values that are not text, from files of every kind and from the hub: read as a person reads them,
or refused with their rows.
"""

import csv
import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from deft_sweeps.config.data import FileTask, GlueTask, Splits, SquadTask, Task
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.files import read_file
from deft_sweeps.tasks.glue import GLUE
from deft_sweeps.tasks.task_data import load_task
from deft_sweeps.tasks.value import (
    NotTextError,
    as_group,
    as_label,
    as_number,
    as_text,
    printed_kind,
    spelled_twice,
)

SMALL = Splits(validation=4, test=4)
MISSING = [None, float("nan"), Decimal("NaN")]
NO_TEXT: list[tuple[Any, str]] = [
    (["a"], "a list"),
    (("a",), "a list"),
    ({"en": "a"}, "a mapping"),
    (b"good", "bytes"),
    ("\ud83d", "a lone surrogate (half a character)"),
    (object(), "a value of the type object"),
]


class TestOneValue:
    @pytest.mark.parametrize("value", MISSING)
    def test_missing_is_empty(self, value: object) -> None:
        assert as_text(value) == as_label(value) == ""

    @pytest.mark.parametrize(("value", "what"), NO_TEXT)
    def test_no_text_is_refused(self, value: object, what: str) -> None:
        for convert in (as_text, as_group):
            with pytest.raises(NotTextError) as raised:
                convert(value)
            assert str(raised.value) == what
        with pytest.raises(NotTextError) as raised:
            as_label(value)
        assert str(raised.value) == (f"several labels ({what})" if what == "a list" else what)

    def test_numbers_and_dates_are_text_as_they_are_written(self) -> None:
        values = ["é", 1, 1.5, True, Decimal("1.50"), date(2026, 1, 2), datetime(2026, 1, 2, 3)]
        assert [as_text(value) for value in values] == [
            "é",
            "1",
            "1.5",
            "True",
            "1.50",
            "2026-01-02",
            "2026-01-02 03:00:00",
        ]

    def test_a_whole_number_is_one_class_whatever_its_type(self) -> None:
        assert [as_label(value) for value in (1, 1.0, " 1 ", True, 1.5, -0.0, float("inf"))] == [
            "1",
            "1",
            "1",
            "True",
            "1.5",
            "0",
            "inf",
        ]

    def test_a_number_is_one_label_and_one_group_whatever_its_type(self) -> None:
        same = [1, 1.0, Decimal("1"), Decimal("1.00"), Decimal("1E+0")]
        for convert in (as_label, as_group):
            assert {convert(value) for value in same} == {"1"}
            halves = (1.5, Decimal("1.5"), Decimal("1.50"))
            assert {convert(value) for value in halves} == {"1.5"}
            assert {convert(value) for value in (0.0, -0.0, Decimal("-0.00"))} == {"0"}
        assert as_group(" 01 ") == " 01 "

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("1", 1.0),
            (" -1.5\t", -1.5),
            ("+.5", 0.5),
            ("2.", 2.0),
            ("1e5", 1e5),
            ("1E-05", 1e-5),
            ("007", 7.0),
        ],
    )
    def test_numbers(self, text: str, number: float) -> None:
        assert as_number(text) == number

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "1_000", "1,5", "1 000", "nan", "inf", "-Infinity", "1e400", "0x10", "½"),
            *("1.2.3", "e5", ".", "1\u00a0", "\u0661", "True", "--1", "1e5.0"),
        ],
    )
    def test_no_numbers(self, text: str) -> None:
        assert as_number(text) is None

    def test_one_number_in_two_spellings(self) -> None:
        assert spelled_twice(["1", "0", "1.0", "0", "1.00"]) == ["1", "1.0", "1.00"]
        assert spelled_twice(["1.5", "1.50", "2"]) == ["1.5", "1.50"]
        assert spelled_twice(["01", "1", "2.0", "v1", "-0.5"]) == []

    @pytest.mark.parametrize("text", ["['a']", "[3, 5]", "{'a': 1}", "('a', 'b')", "{3}"])
    def test_several_printed_classes_are_not_one(self, text: str) -> None:
        with pytest.raises(NotTextError, match="several labels"):
            as_label(text)

    def test_printed_bytes_are_no_class(self) -> None:
        with pytest.raises(NotTextError, match="printed bytes"):
            as_label("b'good'")

    @pytest.mark.parametrize(
        ("texts", "kind"),
        [
            (["['a', 'b']", "['c']", "", "x"], "a printed list or mapping"),
            (["{'en': 'a'}", "{'en': 'b'}"], "a printed list or mapping"),
            (["array(['a'], dtype=object)"], "a printed list or mapping"),
            (["b'good'", 'b"it\'s"'], "printed bytes"),
            (["['a', 'b']", "he said [sic]", "x"], ""),
            (["[3, 1, 2]", "[1]"], ""),
            (['{"name": "a"}', '["a", "b"]'], ""),
            (["[POS]", "{x}", "('a')", "['open"], ""),
            (["[" * 60_000, "(" * 60_000 + ")" * 60_000], ""),
            ([], ""),
        ],
    )
    def test_a_column_that_python_printed(self, texts: list[str], kind: str) -> None:
        assert printed_kind(texts) == kind

    @pytest.mark.parametrize("text", ["[POS]", "(none)", "{x}", "['open", "b", "bad", "(1)"])
    def test_a_class_may_have_brackets(self, text: str) -> None:
        assert as_label(text) == text


LISTED = "where a text or a number is expected"
JOIN = "join its parts, or write one of them"
FILL = "fill it in, or leave the rows out"


def rows(n: int = 20) -> list[dict[str, Any]]:
    return [{"text": f"text {i}", "label": ("good", "bad")[i % 2]} for i in range(n)]


def published(
    made: list[dict[str, Any]], folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> FileTask:
    """The rows as a jsonl file, a Parquet file, or a data set in the hub's layout."""
    if kind == "jsonl":
        path = folder / "data.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
        return FileTask(path=str(path), splits=SMALL)
    (folder / "set").mkdir()
    path = folder / "set" / "train.parquet"
    parquet.write_table(pa.Table.from_pylist(made), path)
    if kind == "parquet":
        return FileTask(path=str(path), splits=SMALL)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(folder / "cache"))
    return FileTask(hub=str(folder / "set"), splits=SMALL)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "hub"])
class TestEveryReader:
    def test_a_list_is_refused(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = [row | {"text": [row["text"]]} for row in rows()]
        task = published(made, tmp_path, kind, monkeypatch)
        (problem,) = check_task(task)
        assert problem.endswith(
            f": 20 of 20 rows have a list in text, {LISTED}: row 1, 2, 3, 4, 5, ...; {JOIN}"
        )

    def test_nan_is_no_class(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = [
            row | {"label": float("nan") if i in (6, 8) else float(i % 2)}
            for i, row in enumerate(rows())
        ]
        (problem,) = check_task(published(made, tmp_path, kind, monkeypatch))
        assert problem.endswith(f": 2 of 20 rows have an empty label: row 7, 9; {FILL}")

    def test_whole_numbers_are_classes(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = [row | {"label": float(i % 2)} for i, row in enumerate(rows())]
        assert Counter(
            e.label for e in read_splits(published(made, tmp_path, kind, monkeypatch)).train
        ).keys() == {"0", "1"}


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    made = rows()
    made[2]["text"], made[4]["text"], made[4]["label"], made[5]["label"] = (
        {"en": "a"},
        ["a"],
        float("nan"),
        ["x", "y"],
    )
    made[7]["text"] = ""
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row | {"who": row["text"]}) + "\n" for row in made))
    messages = [
        line.removeprefix(f"{path}: ")
        for line in check_task(FileTask(path=str(path), group="who", splits=SMALL))
    ]
    assert [
        (line.split(",")[0].split(":")[0], line.rsplit(": ", 1)[1].split(";")[0])
        for line in messages
    ] == [
        ("1 of 20 rows have a mapping in text", "row 3"),
        ("1 of 20 rows have a list in text", "row 5"),
        ("1 of 20 rows have an empty text", "row 8"),
        ("1 of 20 rows have several labels (a list) in label", "row 6"),
        ("1 of 20 rows have an empty label", "row 5"),
        ("1 of 20 rows have a mapping in who", "row 3"),
        ("1 of 20 rows have a list in who", "row 5"),
        ("1 of 20 rows have an empty who", "row 8"),
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            ["0", "1", "nan", "1", "NaN"],
            "2 of 20 rows have NaN in label: row 3, 5; name the class or leave them out",
        ),
        (
            ["[27]", "[2, 3]", "[27]"],
            "rows have several labels (a printed list or mapping) in label, where a text or",
        ),
        (["naan", "nan", "roti"], ""),
    ],
)
def test_labels_of_a_csv(labels: list[str], expected: str, tmp_path: Path) -> None:
    """A csv has no types; one breads are named in may have a class `nan`."""
    made = [*labels, *(labels[i % 2] for i in range(20 - len(labels)))]
    path = tmp_path / "data.csv"
    lines = [f'text {i},"{label}"' for i, label in enumerate(made)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    problems = check_task(FileTask(path=str(path), splits=Splits(validation=4, test=4)))
    assert (expected in "\n".join(problems)) if expected else not any("NaN" in p for p in problems)


def test_texts_to_write(tmp_path: Path) -> None:
    made = [
        {"text": f"story {i}", "target": ["title"] if i == 3 else None if i == 4 else f"title {i}"}
        for i in range(20)
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    assert [
        line.removeprefix(f"{path}: ")
        for line in check_task(FileTask(path=str(path), task="text", splits=SMALL))
    ] == [
        f"1 of 20 rows have a list in target, {LISTED}: row 4; {JOIN}",
        f"1 of 20 rows have an empty target: row 5; {FILL}",
    ]


def test_glue(tmp_path: Path) -> None:
    of = GLUE["rte"]
    made = [
        {**{text: f"{text} {i}" for text in of.texts}, "label": float(i % 2)} for i in range(30)
    ]
    task: Task = GlueTask(name="rte", folder=str(tmp_path), splits=SMALL)
    for stem in ("train", "validation"):
        named = [row | {"sentence1": f"{stem} {row['sentence1']}"} for row in made]
        (tmp_path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named))
    assert check_task(task) == []
    made[3]["sentence1"] = made[9]["sentence2"] = ["a"]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    what = "a list, where a text or a number is expected"
    assert check_task(task) == [f"{tmp_path}/train.jsonl: 2 of 30 rows have {what}: row 4, 10"]


def test_a_score_of_glue_that_is_nan(tmp_path: Path) -> None:
    lines = [f"a {i}\tb {i}\t{'nan' if i == 3 else i / 7}" for i in range(30)]
    for stem in ("train", "dev"):
        (tmp_path / f"{stem}.tsv").write_text("\n".join(["sentence1\tsentence2\tscore", *lines]))
    assert (
        "row 4 has the label 'nan', which is none of stsb's"
        in check_task(GlueTask(name="stsb", folder=str(tmp_path)))[0]
    )


def test_squad_rows_are_numbered(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "question": "Where?",
        "context": "In Paris.",
        "answers": {"text": ["Paris"], "answer_start": [3]},
    }
    wrong = [
        row | {"question": None},
        row | {"context": ["In Paris."]},
        row | {"answers": "{'text': ['Paris'"},
    ]
    for stem in ("train", "validation"):
        (tmp_path / f"{stem}.jsonl").write_text(
            "".join(json.dumps(one) + "\n" for one in [row, *wrong])
        )
    messages = check_task(SquadTask(folder=str(tmp_path), splits=SMALL))
    assert [line.removeprefix(f"{tmp_path}/train.jsonl: ") for line in messages[:3]] == [
        "1 of 4 rows have an empty question or context: row 2",
        "1 of 4 rows have a list: row 3",
        (
            "1 of 4 rows have answers that are a printed Python object, where SQuAD has a mapping"
            " of `text` and `answer_start`: row 4"
        ),
    ]


def test_an_older_cache_of_numbers_as_labels_is_left_alone(
    tmp_path: Path, packaged_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [row | {"label": float(i % 2)} for i, row in enumerate(rows())]
    task = published(made, tmp_path, "jsonl", monkeypatch)
    own = load_task(task, packaged_model)
    assert own.classes == ("0", "1")
    monkeypatch.setattr("deft_sweeps.tasks.task_data._TYPED_FORMAT", 3)
    assert load_task(task, packaged_model).fingerprint != own.fingerprint


def columns_of_classes(folder: Path, kind: str, labels: list[Any]) -> FileTask:
    """A file with these labels in turn, and a group for each."""
    made = [
        {"text": f"text {i}", "label": labels[i % len(labels)], "who": labels[i % len(labels)]}
        for i in range(20)
    ]
    path = folder / f"data.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(made), path)
    elif kind == "csv":
        lines = [",".join(map(str, row.values())) for row in made]
        path.write_text("\n".join(["text,label,who", *lines]) + "\n")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return FileTask(path=str(path), splits=SMALL)


def test_one_number_is_one_class_and_one_group_in_a_file(tmp_path: Path) -> None:
    task = replace(columns_of_classes(tmp_path, "jsonl", [1, 0, 1.0, 0.0]), group="who")
    assert {
        (one.label, one.group) for one in read_file(tmp_path / "data.jsonl", task).examples
    } == {
        ("0", "0"),
        ("1", "1"),
    }
    decimals = [Decimal("1.00"), Decimal("0.50")]
    read = read_splits(columns_of_classes(tmp_path, "parquet", decimals)).train
    assert {one.label for one in read} == {"1", "0.5"}


def test_one_number_written_in_two_ways_is_refused(tmp_path: Path) -> None:
    task = columns_of_classes(tmp_path, "csv", ["1", "0", "1.0"])
    assert check_task(task) == [
        f"{task.path}: column label has one number written in several ways ('1', '1.0'), which"
        " would be several classes; write each in one way"
    ]
    # Also where each file alone has one way.
    other = tmp_path / "test.csv"
    other.write_text("text,label\nnew,1.0\nold,0\n")
    task = columns_of_classes(tmp_path, "csv", ["1", "0"])
    (problem,) = check_task(replace(task, test_path=str(other), splits=Splits(validation=4)))
    assert "one number written in several ways" in problem


@pytest.mark.parametrize("text", ["1_000", "\u0661", "1,5", "inf"])
def test_texts_that_are_no_numbers_are_refused_for_regression(text: str, tmp_path: Path) -> None:
    task = columns_of_classes(tmp_path, "jsonl", ["1", text, "2"])
    (problem,) = check_task(replace(task, task="regression"))
    assert "7 of 20 rows have a label that is no number: row 2, 5" in problem


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["['a', 'b']", "['c']"], "20 of 20 rows have a printed list or mapping in"),
        (["b'good'", "b'bad'"], "20 of 20 rows have printed bytes in"),
        (["['a', 'b']", "word", "other"], ""),
    ],
)
@pytest.mark.parametrize("column", ["text", "target"])
def test_a_column_of_printed_values(
    column: str, cells: list[str], what: str, tmp_path: Path
) -> None:
    other = "target" if column == "text" else "text"
    made = [{column: cells[i % len(cells)], other: f"word {i}", "who": i} for i in range(20)]
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "target", "who"])
        writer.writeheader()
        writer.writerows(made)
    problems = check_task(FileTask(path=str(path), task="text", group="who", splits=SMALL))
    assert bool(problems) == bool(what) or column == "text"
    assert (f"{what} {column}" in problems[0]) if what else not any("print" in p for p in problems)
