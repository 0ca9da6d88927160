from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.tokens import encode, encode_classes, encode_targets, number_text


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
    with pytest.raises(
        DataError, match=r"the template takes \d+ tokens, which leaves none of max_input_tokens 4"
    ):
        encode(tokenizer, ["a"], "Is this text rather good or rather bad? {text}", 4)


def test_classes_that_the_tokenizer_cannot_tell_apart(tokenizer: Any) -> None:
    assert encode_classes(tokenizer, ("negative", "positive")) == ((2841, 1), (1465, 1))
    with pytest.raises(DataError, match="writes these classes alike: '好', '坏'"):
        encode_classes(tokenizer, ("fine", "好", "坏"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(12, 40))
def test_of_a_pair_the_longer_is_cut_first(
    tokenizer: Any, n_first: int, n_second: int, limit: int
) -> None:
    first, second = " ".join(["one"] * n_first), " ".join(["two"] * n_second)
    (ids,) = encode(tokenizer, [first], "a: {text} b: {text_pair} end", limit, [second])
    one, two = (tokenizer(word)["input_ids"][0] for word in ("one", "two"))
    counts = ids.count(one), ids.count(two)
    bare = len(ids) - sum(counts)
    assert len(ids) <= limit
    assert bare == len(tokenizer("a: b: end")["input_ids"])
    room = limit - bare
    if n_first + n_second <= room:
        assert counts == (n_first, n_second)
    else:
        # What one leaves of its half the other may have.
        naive = [0, 0]
        while sum(naive) < room:
            naive[
                0 if naive[0] < n_first and (naive[0] <= naive[1] or naive[1] == n_second) else 1
            ] += 1
        assert abs(counts[0] - naive[0]) <= 1
        assert sum(counts) >= room - 1


def test_a_text_with_braces_is_no_template(tokenizer: Any) -> None:
    (ids,) = encode(tokenizer, ["say {text_pair} now"], "{text} | {text_pair}", 40, ["{text}"])
    assert ids == tokenizer("say {text_pair} now | {text}")["input_ids"]


def test_targets_keep_their_end(tokenizer: Any) -> None:
    short, cut = encode_targets(tokenizer, [" a title ", "a title that goes on and on"], 5)
    assert short == tokenizer("a title")["input_ids"]
    assert len(cut) == 5
    assert cut == [*tokenizer("a title that goes on and on")["input_ids"][:4], short[-1]]


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (1.333, 0.2, "1.4"),
        (4.8, 0.2, "4.8"),
        (5.0, 0.2, "5.0"),
        (0.09, 0.2, "0.0"),
        (2.5, None, "2.5"),
        (1234.0, None, "1234"),
    ],
)
def test_numbers_as_t5_writes_them(value: float, step: float | None, text: str) -> None:
    assert number_text(value, step) == text
