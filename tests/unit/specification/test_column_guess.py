from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from deft_sweeps.errors import DataError
from deft_sweeps.specification.column_guess import (
    ColumnGuess,
    FileTaskName,
    NamedColumns,
    guess_columns,
)
from deft_sweeps.specification.column_name import is_group, is_id
from deft_sweeps.specification.column_sample import Column

N = 60
LONG = [f"row {i} of a long text that somebody wrote" for i in range(N)]
SHORT = [f"short text {i}" for i in range(N)]
TWO = ["yes", "no"] * (N // 2)
MANY = [f"class {i % 20}" for i in range(N)]
HALVES = [i / 2 for i in range(N)]
INDEX = list(range(N))


def guess(
    columns: Mapping[str, Sequence[Any]],
    task: FileTaskName | None = None,
    **named: str,
) -> ColumnGuess:
    sample = [Column(name, tuple(values)) for name, values in columns.items()]
    return guess_columns("x.csv", sample, NamedColumns(**named), task)


@pytest.mark.parametrize("name", ["label", "intent", "sentiment", "y", "topic", "Label", "class"])
def test_a_column_named_like_a_label_wins_over_one_of_fewer_classes(name: str) -> None:
    one = guess({"text": LONG, "channel": TWO, name: MANY})
    assert (one.label, len(one.classes), one.other_labels) == (name, 20, ("channel",))
    assert one.why == f"{name} is named like a label, and has 20 classes"


def test_without_a_name_the_fewest_classes_are_the_label() -> None:
    one = guess({"said": LONG, "mood": TWO, "shop": MANY})
    assert (one.text, one.label, one.other_labels) == ("said", "mood", ("shop",))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sentence1", "sentence2"),
        ("premise", "hypothesis"),
        ("question1", "question2"),
        ("text_a", "text_b"),
        ("Text 1", "Text 2"),
        ("query", "passage"),
        ("tweet", "reply"),
    ],
)
def test_two_texts_are_a_pair(first: str, second: str) -> None:
    one = guess({"idx": INDEX, second: LONG, first: SHORT, "label": TWO})
    assert (one.text, one.pair, one.label) == (first, second, "label")


def test_a_text_that_is_no_second_one_is_told() -> None:
    one = guess({"title": SHORT, "review": LONG, "label": TWO})
    assert (one.text, one.pair, one.other_texts) == ("review", None, ("title",))
    assert guess({"title": SHORT, "review": LONG, "label": TWO}, pair="title").pair == "title"


def test_numbers_are_a_regression_and_few_whole_ones_classes() -> None:
    assert guess({"text": LONG, "score": HALVES}).task == "regression"
    assert guess({"text": LONG, "score": [str(half) for half in HALVES]}).task == "regression"
    stars: dict[str, list[Any]] = {"text": LONG, "stars": [i % 5 for i in range(N)]}
    assert guess(stars).task == "classification"
    assert guess(stars, "regression").task == "regression"
    assert guess({"text": LONG, "price": HALVES}).why == "price holds numbers, and has 60 numbers"


@pytest.mark.parametrize(
    "answers",
    [
        [{"text": [f"row {i}"], "answer_start": [0]} for i in range(N)],
        [[f"row {i}"] for i in range(N)],
        [f"row {i}" for i in range(N)],
        ["{'text': ['row'], 'answer_start': [0]}"] * N,
    ],
)
def test_answers_in_a_context_are_qa(answers: list[Any]) -> None:
    one = guess({"id": LONG, "context": LONG, "question": SHORT, "answers": answers})
    assert (one.task, one.text, one.pair, one.label) == ("qa", "question", "context", "answers")


def test_an_answer_that_is_a_class_is_a_pair_of_texts() -> None:
    one = guess({"question": SHORT, "passage": LONG, "answer": [True, False] * (N // 2)})
    assert (one.task, one.text, one.pair) == ("classification", "question", "passage")


def test_bytes_that_are_text_count_as_text() -> None:
    one = guess({"text": LONG, "label": [b"good", b"bad"] * (N // 2)})
    assert (one.label, one.classes) == ("label", ("bad", "good"))


def test_texts_to_write() -> None:
    one = guess({"article": LONG, "highlights": SHORT})
    assert (one.task, one.text, one.label) == ("text", "article", "highlights")
    assert guess({"article": LONG, "highlights": SHORT, "topic": TWO}).task == "classification"
    assert guess({"article": LONG, "more": SHORT}, "text").label == "more"
    assert guess({"article": LONG, "more": SHORT}, label="more").task == "text"


@pytest.mark.parametrize("name", ["id", "Unnamed: 0", "", "index", "guid", "reviewId"])
def test_an_index_is_neither_label_nor_group(name: str) -> None:
    one = guess({name: INDEX, "text": LONG, "shop": TWO})
    assert (one.label, one.other_labels, one.groups) == ("shop", (), ())
    assert is_id(name)


def test_a_group_is_offered_only_where_values_come_back_under_a_plausible_name() -> None:
    values = [f"c{i % 9}" for i in range(N)]
    offered: dict[str, list[Any]] = {
        "customer_id": values,
        "user": [f"u{i}" for i in range(N)],  # unique
        "colour": values,
        "author": [values[0], None, *values[2:]],  # missing in a row
        "movie": TWO,  # too few for three splits
    }
    one = guess({"text": LONG, "label": TWO, **offered})
    assert one.groups == ("customer_id",)
    assert "customer_id" not in one.other_labels
    assert is_group("movieName")
    assert not is_group("remover")


def test_a_short_column_named_like_a_text_is_none() -> None:
    one = guess({"text_type": MANY, "said": LONG, "label": TWO, "text_id": SHORT})
    assert one.text == "said"


def test_named_columns_win() -> None:
    one = guess({"a": LONG, "b": SHORT, "c": TWO, "label": MANY}, text="b", label="c", pair="a")
    assert (one.text, one.pair, one.label, one.task) == ("b", "a", "c", "classification")
    with pytest.raises(DataError, match=r"no column 'labl' \(did you mean label\?\); there are a"):
        guess({"a": LONG, "label": TWO}, label="labl")


@pytest.mark.parametrize(
    ("columns", "task", "words"),
    [
        (
            {"text": LONG, "one": ["a"] * N, "none": [None] * N, "id": INDEX, "tags": [["a"]] * N},
            None,
            [
                "expected a text and a label",
                "'text' holds texts, and as a label it has 60 different values in 60 rows",
                "'one' holds no texts, and as a label it has one value only",
                "'none' holds no texts, and as a label it is empty",
                "'id' holds no texts, and as a label it names or numbers the rows",
                "'tags' holds no texts, and as a label it holds lists, mappings or bytes",
                "--text, --pair and --label",
            ],
        ),
        ({"text": LONG, "n": INDEX}, None, ["another whole number in each row, as an index has"]),
        ({"text": LONG, "label": TWO}, "qa", ["expected a question, a context and answers"]),
        ({"text": LONG, "label": TWO}, "regression", ["'label' holds texts, and as a label it ho"]),
        ({"label": TWO, "n": HALVES}, "text", ["expected a text and a text to write"]),
    ],
)
def test_where_nothing_fits_every_column_is_named_with_its_reason(
    columns: Mapping[str, Sequence[Any]], task: FileTaskName | None, words: list[str]
) -> None:
    with pytest.raises(DataError) as raised:
        guess(columns, task)
    assert all(word in str(raised.value) for word in words), raised.value
