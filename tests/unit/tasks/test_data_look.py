"""A look at data whose faults are known."""

import pytest

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.report import data_tables
from deft_sweeps.tasks.data_look import look
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.split import Examples


def one(text: str, label: str = "a", **more: str) -> Example:
    return Example(text, label, more.get("group", text), more.get("second", ""))


TASK = FileTask(path="x.csv", max_input_tokens=8, splits=Splits(validation=2, test=2))
TRAIN = [
    one("A good film."),
    one("a  GOOD film."),
    one("a good, film!", "b"),
    one("a good film.", "b"),
    *(one(f"text of its own {'x' * i}") for i in range(16)),
]
SPLITS = Examples(
    TRAIN, [one("A good film?"), one("seen nowhere", "b")], [one("other", "b"), one(" ")]
)


def words(texts: object) -> tuple[list[int], float]:
    assert isinstance(texts, list)
    return [len(text.split()) + 1 for text in texts], 0.25


def test_counts() -> None:
    profile = look(TASK, SPLITS, words, ["semicolons"])
    train, validation, test = (profile.splits[name] for name in ("train", "validation", "test"))
    assert list(profile.splits) == ["train", "validation", "test"]
    assert (train.n_rows, train.class_counts) == (20, {"a": 18, "b": 2})
    assert (train.n_repeated, train.n_nearly_repeated) == (3, 20 - 16 + 0)
    assert (validation.n_in_train, test.n_in_train, test.n_empty) == (1, 0, 1)
    assert profile.majority_class == "a"
    assert profile.majority_shares == {"train": 0.9, "validation": 0.5, "test": 0.5}
    assert profile.n_contradictory == 1
    assert profile.notes == ("semicolons",)


def test_lengths_are_those_of_the_inputs() -> None:
    texts = [one("w " * i) for i in range(1, 201)]
    lengths = look(TASK, Examples(texts, [one("a")], [one("b")]), words).lengths
    assert lengths is not None
    assert (lengths.n_sampled, lengths.longest, lengths.unknown_share) == (200, 201, 0.25)
    assert lengths.cut_share == pytest.approx(193 / 200)
    cut = sum(i + 1 > lengths.enough for i in range(1, 201))
    assert cut / 200 < 0.01


def test_every_kind_of_task_has_a_look() -> None:
    numbers = FileTask(path="x.csv", task="regression")
    ranged = look(numbers, Examples([one("a", "1"), one("b", "3")], [], [])).label_range
    assert ranged is not None
    assert (ranged.low, ranged.mean, ranged.high, ranged.deviation) == (1, 2, 3, 1)
    qa = FileTask(path="x.csv", task="qa")
    questions = [
        Example("q", "", "c", "c", ("x",), (0,)),
        Example("r", "", "c", "c"),
    ]
    assert look(qa, Examples(questions, [], []), words).answerable_share == 0.5
    text = FileTask(path="x.csv", task="text")
    assert look(text, Examples([one("a")], [], [])).majority_class == ""


def test_warnings_say_what_to_do() -> None:
    warnings = data_tables.warnings(look(TASK, SPLITS, words))
    for part in (
        "90% of train is 'a'",
        "1 class has fewer than 10",
        "1 training text has several labels",
        "1 of 2 validation examples is nearly in train",
        "3 training examples repeat a text",
        "25.0% of the tokens are unknown",
    ):
        assert any(part in warning for warning in warnings), part


def test_tables() -> None:
    profile = look(TASK, SPLITS, words)
    rows = [row.cells for row in data_tables.splits_table(profile).rows]
    assert rows[0] == ("train", "20", "0", "3", "4", "", "0.900")
    many = [one(f"t{i}", f"class {i:02}") for i in range(30)]
    table = data_tables.classes_table(look(TASK, Examples(many, many[:1], many[:1])))
    assert len(table.rows) == data_tables.MOST_CLASSES + 1
    assert table.rows[-1].cells == ("10 more", "10", "0", "0")
