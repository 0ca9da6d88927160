"""What users hand to a deployed model."""

from collections.abc import Sequence
from typing import Any

import pytest

from deft_sweeps.deploy.manifest import TaskContract
from deft_sweeps.deploy.text_input import as_examples
from deft_sweeps.errors import DataError

ONE = TaskContract(kind="classification", form="head", prompt="", metrics=("accuracy",))
PAIR = TaskContract(
    kind="classification", form="head", prompt="", takes_pairs=True, metrics=("accuracy",)
)
QUESTION = TaskContract(
    kind="span", form="head", prompt="", takes_pairs=True, metrics=("exact_match",)
)


def test_texts_and_pairs_become_examples() -> None:
    assert [e.text for e in as_examples(ONE, ["a", "", "b" * 10_000])] == ["a", "", "b" * 10_000]
    assert as_examples(ONE, []) == []
    assert as_examples(ONE, [{"text": "a"}])[0].text == "a"
    for given in (("a", "b"), ["a", "b"], {"text": "a", "text_pair": "b"}):
        (example,) = as_examples(PAIR, [given])
        assert (example.text, example.second) == ("a", "b")
    (question,) = as_examples(QUESTION, [{"question": "who?", "context": "me"}])
    assert (question.text, question.second) == ("who?", "me")


def test_a_lone_surrogate_is_no_error() -> None:
    assert as_examples(ONE, ["a\ud800b"])[0].text == "a?b"


@pytest.mark.parametrize(
    ("task", "given", "says"),
    [
        (ONE, "a text", "expected a list"),
        (ONE, b"a text", "expected a list"),
        (ONE, {"a": 1}, "expected a list"),
        (ONE, [1], "input 0: expected a text, got 1"),
        (ONE, ["a", None, ["b", "c"]], "input 1: expected a text, got None\ninput 2"),
        (ONE, [{"texts": "a"}], "input 0"),
        (PAIR, ["a"], r"a pair \(text, text_pair\) of texts, got 'a'"),
        (PAIR, [("a", "b", "c")], "a pair"),
        (PAIR, [("a", 2)], "a pair"),
        (QUESTION, [{"question": "a"}], r"a pair \(question, context\)"),
        (ONE, [0] * 25, "and 15 more inputs"),
    ],
)
def test_everything_else_is_refused_by_its_place(
    task: TaskContract, given: Sequence[Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        as_examples(task, given)
