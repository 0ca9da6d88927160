from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.tokens import encode, encode_classes


@pytest.fixture(scope="module")
def tokenizer(packaged_model: str) -> Any:
    return load_tokenizer(packaged_model)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=200), st.integers(8, 40))
def test_inputs_fit_and_keep_the_template_whole(tokenizer: Any, text: str, limit: int) -> None:
    template = "Text: {text} good or bad?"
    (ids,) = encode(tokenizer, [text], template, limit)
    tail = tokenizer("good or bad?")["input_ids"]
    assert len(ids) <= limit
    assert ids[: len(tokenizer("Text:")["input_ids"]) - 1] == tokenizer("Text:")["input_ids"][:-1]
    assert ids[-len(tail) :] == tail


def test_what_fits_is_left_as_it_is(tokenizer: Any) -> None:
    assert encode(tokenizer, [" a warm film ", "dull"], "sentiment: {text}", 48) == [
        tokenizer("sentiment: a warm film")["input_ids"],
        tokenizer("sentiment: dull")["input_ids"],
    ]
    assert encode(tokenizer, [], "{text}", 8) == []


def test_a_cut_text_uses_the_room_there_is(tokenizer: Any) -> None:
    text = " ".join(f"word{i}" for i in range(200))
    for limit in range(8, 40):
        (ids,) = encode(tokenizer, [text], "sentiment: {text}", limit)
        assert limit - 2 <= len(ids) <= limit
        assert ids[:-1] == tokenizer(f"sentiment: {text}")["input_ids"][: len(ids) - 1]


def test_a_template_that_leaves_no_room(tokenizer: Any) -> None:
    with pytest.raises(DataError, match=r"the template takes \d+ tokens, which leaves none of max_input_tokens 4"):
        encode(tokenizer, ["a"], "Is this text rather good or rather bad? {text}", 4)


def test_classes_that_the_tokenizer_cannot_tell_apart(tokenizer: Any) -> None:
    assert encode_classes(tokenizer, ("negative", "positive")) == ((2841, 1), (1465, 1))
    with pytest.raises(DataError, match="writes these classes alike: 坏, 好"):
        encode_classes(tokenizer, ("fine", "好", "坏"))
