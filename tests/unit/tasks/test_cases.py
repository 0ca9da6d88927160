"""Every folder of `tests/cases`: what a trial is given of it, or why it is refused, held against a
naive reading of the same file.
"""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.data import FileTask, Form, Splits
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.tasks.check import Examination, check_task, examine, form_of
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.prepare import columns, plan_of
from tests.cases import CASES

Row = tuple[str, ...]
"""Text and label, or question, context and answer (empty: none)."""


def by_last(
    delimiter: str = ",", encoding: str = "utf-8", name: str = "data.csv", end: str = "\n"
) -> Callable[[Path], list[Row]]:
    """Lines cut at their last delimiter; without the header."""

    def read(folder: Path) -> list[Row]:
        raw = (folder / name).read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        lines = raw.decode(encoding).split(end)
        return [
            tuple(part.strip() for part in line.rsplit(delimiter, 1)) for line in lines[1:] if line
        ]

    return read


def two_files(folder: Path) -> list[Row]:
    """A training file and a validation file."""
    return [row for name in ("train.csv", "val.csv") for row in by_last(name=name)(folder)]


def dropped_index(folder: Path) -> list[Row]:
    """A csv whose first column numbers the rows."""
    return [(text.partition(",")[2], label) for text, label in by_last()(folder)]


def quoted(folder: Path) -> list[Row]:
    """A csv of texts in quotes that go on over two lines."""
    body = (folder / "data.csv").read_text().partition("\n")[2]
    rows = body.removeprefix('"').rstrip("\n").split('\n"')
    return [tuple(row.rsplit('",', 1)) for row in rows]


def listed(*names: str) -> Callable[[Path], list[Row]]:
    """JSON objects, a line each or in an array, and rows of Parquet."""

    def read(folder: Path) -> list[Row]:
        return [
            tuple(plain(row[name]) for name in names or ("text", "label")) for row in of(folder)
        ]

    return read


def of(folder: Path) -> list[dict[str, Any]]:
    """The rows of whichever JSON or Parquet file the folder has."""
    (path,) = folder.glob("data.[jp]*")
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    text = path.read_text()
    made: list[dict[str, Any]] = (
        json.loads(text) if text.startswith("[") else [json.loads(one) for one in text.splitlines()]
    )
    return made


def plain(value: Any) -> str:
    """A number without a fraction of zeros, anything else as Python writes it."""
    return str(value) if isinstance(value, str | bool) else f"{float(value):g}"


def questions(folder: Path) -> list[Row]:
    """Questions with the depot that their context names, which is the answer of every case."""
    (path,) = folder.glob("data.*")
    text = path.read_text()
    if path.suffix == ".csv":
        pairs = [(row["question"], row["context"]) for row in csv.DictReader(text.splitlines())]
    elif path.suffix == ".json":
        pairs = list(official(json.loads(text)))
    else:
        pairs = [(row["question"], row["context"]) for row in of(folder)]
    return [(question, context, depot(context)) for question, context in pairs]


def folder_questions(folder: Path) -> list[Row]:
    """The same of a folder in SQuAD's layout, train and development set together."""
    pairs: list[tuple[str, str]] = []
    for path in sorted((folder / "d").iterdir()):
        if path.suffix == ".json":
            pairs += official(json.loads(path.read_text()))
        else:
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            pairs += [(row["question"], row["context"]) for row in rows]
    return [(question, context, depot(context)) for question, context in pairs]


def official(document: Any) -> Iterator[tuple[str, str]]:
    """Question and context of SQuAD's document."""
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question["question"], paragraph["context"]


def depot(context: str) -> str:
    """The town that the parcel left from."""
    return context.partition("depot of ")[2].partition(" on")[0]


def with_holes(folder: Path) -> list[Row]:
    """Questions of which some have no answer."""
    return [
        (row["question"], row["context"], (row["answers"]["text"] or [""])[0]) for row in of(folder)
    ]


@dataclass(frozen=True)
class Read:
    """A case that is read.

    Attributes:
        rows: a naive reading of its file.
        classes: that a trial is given, in their order.
        notes: that are given with it, each a part of one.
        n_rows: of all splits together.
    """

    rows: Callable[[Path], list[Row]]
    classes: tuple[str, ...] = ("bad", "good")
    notes: tuple[str, ...] = ()
    n_rows: int = 120


@dataclass(frozen=True)
class Refused:
    """A case that is refused.

    Attributes:
        what: parts of its first problem: where, what, and how to mend it.
    """

    what: tuple[str, ...]


def refused(*what: str) -> Refused:
    """A case whose first problem has these parts."""
    return Refused(what)


EMPTY = "fill it in, or leave the rows out"
QA = Read(questions, ())
MOVED = "120 answers do not stand where answer_start says; the place nearest to it is taken"
RATE = "learning_rate"

EXPECTED: dict[str, Read | Refused] = {
    "plain": Read(by_last()),
    "plain-t5": Read(by_last()),
    "cr-only": Read(by_last(end="\r")),
    "nul-csv": Read(by_last()),
    "header-unicode": Read(by_last()),
    "index-column": Read(dropped_index),
    "quoted-newline": Read(quoted),
    "text-huge": Read(by_last()),
    "label-case": Read(by_last(), ("Good", "bad")),
    "rows20": Read(by_last(), n_rows=20),
    "one-class": refused("data.csv: column label has one class only, 'good'; expected two or more"),
    "val-one-class": Read(two_files, n_rows=140),
    # Encodings, packing, delimiters and quotes.
    "enc-bom": Read(by_last(encoding="utf-8-sig")),
    "enc-utf16": Read(by_last(encoding="utf-16")),
    "enc-latin1": refused(
        "data.csv:2: not UTF-8; in latin-1 the line reads 'The jacket",
        "à la",
        "write `encoding: latin-1` in `task`",
    ),
    "gz-csv": Read(by_last(name="data.csv.gz")),
    "csv-gz-notgz": Read(by_last(name="data.csv.gz")),
    "semicolon": Read(by_last(";"), notes=("data.csv: fields are separated by a semicolon",)),
    "csv-quote-mid": Read(by_last(), notes=("quotes are read as text, every line as a row: 120",)),
    "tsv-quote-unbalanced": Read(
        by_last("\t", name="data.tsv"), notes=("quotes are read as text, every line as a row: 120",)
    ),
    "tsv-swallow": Read(
        by_last("\t", name="data.tsv"),
        notes=("120 rows; with quotes, 61 of them from line 12 on would be one",),
    ),
    # Headers.
    "header-dup": refused("data.csv:1: more than one column is named 'label'", "name of its own"),
    "no-header": refused(
        "data.csv: no column text; there are The jacket", "write a header above it"
    ),
    # JSON.
    "json-array": Read(listed()),
    "json-array-jsonl": Read(listed()),
    "label-bool-json": Read(listed(), ("False", "True")),
    "label-mixed-json": Read(listed(), ("0", "1")),
    "label-nan-json": refused("20 of 120 rows have an empty label: row 6, 12", EMPTY),
    "label-missing-key": refused("12 of 120 rows have an empty label: row 1, 11", EMPTY),
    "label-surrogate-json": refused(
        "60 of 120 rows have a lone surrogate (half a character) in label",
        "row 1, 3",
        "write the character whole",
    ),
    "text-nan-json": refused("2 of 120 rows have an empty text: row 4, 5", EMPTY),
    "text-empty": refused("3 of 120 rows have an empty text: row 5, 10, 21", EMPTY),
    "text-list-json": refused("120 of 120 rows have a list in text", "row 1, 2", "join its parts"),
    # Parquet.
    "pq-categorical": Read(listed()),
    "pq-decimal-label": Read(listed(), ("0", "1")),
    "pq-dot-column": Read(listed("review.text", "label")),
    "pq-dot-prefix": Read(listed()),
    "pq-folder": Read(listed()),
    "pq-binary-label": refused("120 of 120 rows have bytes in label", "row 1, 2", "decode them"),
    "pq-list-text": refused("120 of 120 rows have a list in text", "row 1, 2", "join its parts"),
    "pq-struct-text": refused("120 of 120 rows have a mapping in text", "write one of its values"),
    "pq-null-label": refused("20 of 120 rows have an empty label: row 6, 12", EMPTY),
    "pq-empty": refused("data.parquet: has no rows"),
    "pq-truncated": refused("data.parquet: cannot be read: Parquet magic bytes not found"),
    # Numbers.
    "regr-bool-json": refused("120 of 120 rows have a label that is no number", "write 0 and 1"),
    "regr-comma": refused(
        "120 of 120 rows have a label that is no number: row 1, 2", "write a decimal point"
    ),
    "regr-nan-json": refused("1 of 120 rows have an empty label: row 4", EMPTY),
    # Questions.
    **{
        f"qa-{shape}-{form}": QA
        for shape in (
            "squad",
            "official",
            "csv-repr",
            "list-of-dicts",
            "null-start",
            "scalar-start",
        )
        for form in ("t5", "bert")
    },
    **{f"qa-off-by-one-{form}": Read(questions, (), notes=(MOVED,)) for form in ("t5", "bert")},
    **{
        f"qa-unanswerable-{form}": Read(
            with_holes, (), notes=("40 of 120 questions have no answer",)
        )
        for form in ("t5", "bert")
    },
    "qa-not-in-context-t5": Read(
        with_holes,
        (),
        notes=("30 of 120 questions have answers that do not occur in the context",),
    ),
    "qa-not-in-context-bert": refused(
        "30 of 120 rows have answers that do not occur in the context: row 1, 5",
        "0 of them differ by upper and lower case only",
        "or take a model that writes",
    ),
    "squad-jsonl-list": Read(folder_questions, (), n_rows=130),
    "squad-jsonl-mismatch": Read(folder_questions, (), n_rows=130),
    "squad-official": Read(folder_questions, (), n_rows=130),
    "squad-real-small": refused("d/train-v2.0.json:2: not JSON", "is the file whole?"),
    # The spec's own numbers.
    "lr-5e-5": Read(by_last()),
    "lr-huge": Read(by_last()),
    "lr-inf": refused("spec.yaml:15:54: expected a finite number", "got Infinity"),
    "lr-quoted": refused("spec.yaml:15:54: expected a number", 'got "5e-5"'),
    # Classes and sizes.
    "class-missing-in-val": Read(two_files, ("bad", "good", "mixed"), n_rows=110),
    "rare-class": Read(by_last(), ("bad", "danger", "good", "noise", "odour")),
    "many-classes": Read(by_last(), tuple(sorted(f"topic_{i}" for i in range(300))), n_rows=6000),
    # What the model cannot hold.
    "labels-cjk-t5": refused("好评"),
    "labels-lt-gt-t5": refused("<=50K"),
    "text-long-bert": refused("512"),
}

WITHOUT_A_SPEC = {"chat-jsonl"}


def marked(kind: type[Read] | type[Refused]) -> list[Any]:
    """The cases of a kind."""
    return [name for name, expected in EXPECTED.items() if isinstance(expected, kind)]


@dataclass(frozen=True)
class Case:
    """A case whose folder is the working folder."""

    name: str

    @property
    def config(self) -> TrialConfig:
        """Of one trial."""
        return load_spec("spec.yaml").combinations[0].template

    @property
    def form(self) -> Form:
        """How the model answers."""
        return form_of("t5" if "t5" in self.config.model else "bert")

    def examination(self) -> Examination:
        """The splits, problems and notes."""
        return examine(self.config.task, self.form)


@pytest.fixture
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The case of that name."""
    monkeypatch.chdir(CASES / request.param)
    return Case(request.param)


@cache
def tokenizer_of(model: str) -> Any:
    """Loaded once."""
    return load_tokenizer(model)


def test_every_folder_has_an_expectation() -> None:
    folders = {path.name for path in CASES.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == EXPECTED.keys() | WITHOUT_A_SPEC


@pytest.mark.parametrize("case", marked(Refused), indirect=True)
def test_refused(case: Case) -> None:
    done = CliRunner().invoke(app, ["validate", "spec.yaml"])
    expected = EXPECTED[case.name]
    assert isinstance(expected, Refused)
    assert (done.exit_code, done.stdout) == (2, "")
    first = next(line for line in done.stderr.splitlines() if expected.what[0] in line)
    assert first.startswith("spec.yaml:")
    assert all(part in first for part in expected.what)
    assert len(first) < 400


@pytest.mark.parametrize("case", marked(Read), indirect=True)
def test_read(case: Case) -> None:
    expected = EXPECTED[case.name]
    assert isinstance(expected, Read)
    outcome = case.examination()
    assert list(outcome.problems) == []
    assert outcome.splits
    splits = outcome.splits
    read = [row_of(one) for one in [*splits.train, *splits.validation, *splits.test]]
    assert len(read) == expected.n_rows
    assert not Counter(read) - Counter(expected.rows(Path()))
    assert len(outcome.notes) == len(expected.notes)
    for part, note in zip(expected.notes, outcome.notes, strict=True):
        assert part in note
    assert_given(case, splits.train[:3], expected.classes)


@pytest.mark.parametrize("case", marked(Read), indirect=True)
def test_read_by_validate(case: Case) -> None:
    expected = EXPECTED[case.name]
    assert isinstance(expected, Read)
    done = CliRunner().invoke(app, ["validate", "spec.yaml"])
    assert done.exit_code == 0, done.stderr
    for part in expected.notes:
        assert f"note: spec.yaml: {part}" in done.stderr or part in done.stderr


def row_of(example: Example) -> Row:
    """Text and label, or question, context and answer."""
    if example.second:
        return example.text, example.second, example.answers[0] if example.answers else ""
    return example.text.strip(), example.label


def assert_given(case: Case, examples: list[Example], classes: tuple[str, ...]) -> None:
    """What the model is given reads as the examples do."""
    config, outcome = case.config, case.examination()
    tokenizer = tokenizer_of(config.model)
    assert outcome.splits
    plan = plan_of(config.task, case.form, outcome.splits, tokenizer)
    assert plan.classes == classes
    made = columns(plan, examples, 0, evaluated=False)
    longest = config.task.max_input_tokens
    for i, example in enumerate(examples):
        ids = made["input_ids"][i]
        if classes and case.form == "head":
            assert ids == tokenizer(example.text, truncation=True, max_length=longest)["input_ids"]
            assert classes[made["label"][i]] == example.label
        elif classes:
            text = tokenizer.decode(ids, skip_special_tokens=True)
            assert text in (f"Classify: {example.text}", f"classify: {example.text}", example.text)
            target = tokenizer.decode(made["target_ids"][i], skip_special_tokens=True)
            assert target == example.label
        else:
            assert_answer(made, i, example, tokenizer)


def assert_answer(made: Any, i: int, example: Example, tokenizer: Any) -> None:
    """The answer in the window, as tokens to point at or to write."""
    answer = example.answers[0] if example.answers else ""
    if "start" in made:
        start, end = made["start"][i], made["end"][i]
        pointed = tokenizer.decode(made["input_ids"][i][start : end + 1]) if end else ""
        assert pointed == answer.lower()
    else:
        assert tokenizer.decode(made["target_ids"][i], skip_special_tokens=True) == answer


def test_the_same_rows_as_a_csv_are_not_swallowed_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "tsv-swallow")
    outcome = examine(FileTask(path="data.csv", splits=Splits(validation=20, test=20)))
    assert outcome.splits
    assert len(outcome.splits.train) == 80
    assert "with quotes, 61 of them from line 12 on would be one" in outcome.notes[0]


def test_the_encoding_that_a_message_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "enc-latin1")
    outcome = examine(FileTask(path="data.csv", encoding="latin-1", splits=Splits(validation=20)))
    assert outcome.splits
    assert all(one.text.endswith(" à la café") for one in outcome.splits.train)
    assert not outcome.notes


def test_a_name_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "plain")
    assert examine(FileTask(path="data.CSV")) == examine(FileTask(path="data.csv"))


@pytest.mark.parametrize(("name", "code"), [("bom.yaml", 0), ("crlf.yaml", 0), ("tab.yaml", 2)])
def test_yaml_files_in_other_hands(name: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "plain")
    assert CliRunner().invoke(app, ["validate", name]).exit_code == code


def test_chats_are_refused_and_instructions_are_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "chat-jsonl")
    small = Splits(validation=20, test=20)
    chat = FileTask(
        path="data.jsonl", task="text", text="messages", target="messages", splits=small
    )
    assert "rows have a list in messages" in check_task(chat)[0]
    alpaca = FileTask(path="alpaca.jsonl", text="input", label="output", splits=small)
    outcome = examine(alpaca)
    assert outcome.splits
    assert {one.label for one in outcome.splits.train} == {"bad", "good"}
