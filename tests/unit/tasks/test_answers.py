"""Answers in the shapes that data sets have."""

import csv
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.config.data import FileTask
from deft_sweeps.tasks.answers import answers_in, as_answers, place
from deft_sweeps.tasks.files import read_file
from deft_sweeps.tasks.value import NotTextError

CONTEXT = "It left the depot of Porto for Lisbon, not for Porto Alegre."
PORTO, LISBON = CONTEXT.index("Porto"), CONTEXT.index("Lisbon")


@pytest.mark.parametrize(
    "cell",
    [
        {"text": ["Porto", "Lisbon"], "answer_start": [PORTO, LISBON]},
        {"text": ["Porto", "Lisbon"], "answer_start": [PORTO, None]},
        {"text": ["Porto", "Lisbon"], "answer_start": [PORTO]},
        {"text": ["Porto", "Lisbon"]},
        [{"text": "Porto", "answer_start": PORTO}, {"text": "Lisbon", "answer_start": LISBON}],
        [{"text": "Porto"}, {"text": ["Lisbon"], "answer_start": [LISBON]}],
        ["Porto", "Lisbon"],
    ],
)
@pytest.mark.parametrize("written", [lambda cell: cell, str])
def test_shapes_as_they_are_and_as_python_prints_them(cell: Any, written: Any) -> None:
    answers = answers_in(written(cell), CONTEXT)
    assert (answers.texts, answers.starts) == (("Porto", "Lisbon"), (PORTO, LISBON))


def test_a_tuple_which_no_file_prints() -> None:
    answers = answers_in(("Porto", "Lisbon", "", " ", None), CONTEXT)
    assert (answers.texts, answers.starts) == (("Porto", "Lisbon"), (PORTO, LISBON))


@pytest.mark.parametrize(
    "text",
    [
        "{'text': array(['Porto', 'Lisbon'], dtype=object), 'answer_start': array([21, 31])}",
        "{'answer_start': array([21, 31], dtype=int32), 'text': array(['Porto', 'Lisbon'],"
        "\n      dtype='<U6')}",
        "{'text': [np.str_('Porto'), np.str_('Lisbon')], 'answer_start': [np.int64(21)]}",
        "array(['Porto', 'Lisbon'], dtype=object)",
        "['Porto' 'Lisbon']",
        "['Porto'\n 'Lisbon']",
        '{"text": ["Porto", "Lisbon"], "answer_start": [21, null]}',
        '["Porto", "Lisbon"]',
    ],
)
def test_shapes_as_numpy_and_json_print_them(text: str) -> None:
    answers = answers_in(text, CONTEXT)
    assert (answers.texts, answers.starts) == (("Porto", "Lisbon"), (PORTO, LISBON))


@pytest.mark.parametrize(
    "cell",
    [
        None,
        "",
        [],
        [""],
        [None],
        "[]",
        "[ ]",
        {"text": [], "answer_start": []},
        "{'text': [], 'answer_start': []}",
        "{'text': array([], dtype=object), 'answer_start': array([], dtype=int32)}",
    ],
)
def test_no_answer(cell: Any) -> None:
    assert answers_in(cell, CONTEXT).texts == ()


@pytest.mark.parametrize("cell", ["Porto", 5, {"text": "Porto", "answer_start": 21}])
def test_one_answer(cell: Any) -> None:
    (text,) = answers_in(cell, CONTEXT + " 5").texts
    assert text == str(cell["text"] if isinstance(cell, dict) else cell)


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        (float("nan"), "NaN"),
        ([float("nan")], "NaN"),
        ({"text": ["a", float("nan")]}, "NaN"),
        ([["a"]], "lists within lists"),
        ([{"text": "a"}, ["b"]], "lists within lists"),
        ({"answer": "a"}, "a mapping without `text`"),
        ("{'answer': 'a'}", "a mapping without `text`"),
        (b"a", "bytes"),
        ({"text": "a", "answer_start": "x"}, "an answer_start that is no whole number"),
        ({"text": "a", "answer_start": 1.5}, "an answer_start that is no whole number"),
        ({"text": "a", "answer_start": float("inf")}, "an answer_start that is no whole number"),
        ({"text": "a", "answer_start": True}, "an answer_start that is no whole number"),
        ("\ud83d", "a lone surrogate (half a character)"),
        ("['a' 'b' ... 'y' 'z']", "a printed array that was cut short (...)"),
        ("{'text': ['a'", "a printed Python object"),
        ("array([__import__('os')])", "a printed Python object"),
        (["{'text': ['a']}"], "a printed Python object"),
        ("{'text': ['" + "a" * 200_000 + "']}", "a printed Python object"),
    ],
)
def test_shapes_that_are_refused(cell: Any, what: str) -> None:
    with pytest.raises(NotTextError) as raised:
        answers_in(cell, CONTEXT)
    assert str(raised.value) == what


@pytest.mark.parametrize(
    "text",
    ["[1]", "[sic] he came", "{x}", "['open", "array of stars", "{'a' is a letter", "(1)", "b'a'"],
)
def test_texts_that_only_begin_so(text: str) -> None:
    assert answers_in(text, CONTEXT).texts == (text,)


def test_a_context_may_hold_what_looks_printed() -> None:
    answers = answers_in("['a', 'b']", "It prints ['a', 'b'] and ends.")
    assert (answers.texts, answers.starts) == (("['a', 'b']",), (10,))


def test_the_place_nearest_to_the_start_is_taken() -> None:
    second = CONTEXT.rindex("Porto")
    for start, at in ((PORTO - 1, PORTO), (second + 1, second), (0, PORTO), (900, second)):
        answers = answers_in({"text": ["Porto"], "answer_start": [start]}, CONTEXT)
        assert (answers.starts, answers.n_moved) == ((at,), 1)
    assert answers_in({"text": ["Rome"], "answer_start": [3]}, CONTEXT).n_moved == 0
    assert place("aa", "aaaa", 1) == 1


def test_an_unprinted_cell_is_of_one_shape() -> None:
    assert as_answers({"text": "a", "answer_start": 3}) == (["a"], [3])
    assert as_answers(None) == ([""], [-1])


def test_a_csv_of_printed_answers_is_read_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    cells = [
        "{'text': ['Porto'], 'answer_start': [20]}",
        "{'text': [], 'answer_start': []}",
        "Rome",
    ]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "context", "answers"])
        writer.writerows(["Where?", CONTEXT, cell] for cell in cells)
    reading = read_file(path, FileTask(path=str(path), task="qa"))
    assert [one.answers for one in reading.examples] == [("Porto",), (), ("Rome",)]
    assert reading.notes == (
        "1 of 3 questions have no answer",
        "1 of 3 questions have answers that do not occur in the context",
        "1 answers do not stand where answer_start says; the place nearest to it is taken",
    )
