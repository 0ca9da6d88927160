from typing import Any

import numpy as np
import pytest

from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.spans import WindowScores, best_answers
from deft_sweeps.tasks.windows import answer_tokens, encode_for_head, encode_windows

CONTEXT = (
    "The tower was built from 1887 to 1889 by the company of Gustave Eiffel in the old town of"
    " Paris. " * 3
)
ANSWERS = ["The tower", "1889", "company of Gustave", "Paris.", "Eiffel in the old town"]


def question(answer: str, nth: int = 1, context: str = CONTEXT) -> Example:
    """A question whose answer is the nth occurrence of a text."""
    start = -1
    for _ in range(nth):
        start = context.index(answer, start + 1)
    return Example("Who built it?", "", context, context, (answer,), (start,))


def test_single_texts_and_pairs_are_as_the_family_writes_them(head_tokenizer: Any) -> None:
    single = encode_for_head(
        head_tokenizer, [Example(" the lazy dog ", "", ""), Example("fox", "", "")], 32
    )
    assert single["input_ids"] == head_tokenizer(["the lazy dog", "fox"])["input_ids"]
    pair = encode_for_head(
        head_tokenizer, [Example("the dog", "", "", "the fox jumps over the lazy dog")], 12
    )
    tokenizer = head_tokenizer(
        "the dog", "the fox jumps over the lazy dog", truncation="longest_first", max_length=12
    )
    assert len(tokenizer["input_ids"]) == 12
    assert pair == {
        name: [tokenizer[name]] for name in ("input_ids", "token_type_ids") if name in tokenizer
    }


@pytest.mark.parametrize(("max_input_tokens", "doc_stride"), [(48, 16), (40, 0), (512, 128)])
def test_windows_cover_the_context_and_share_the_stride(
    head_tokenizer: Any, max_input_tokens: int, doc_stride: int
) -> None:
    made = encode_windows(
        head_tokenizer,
        [question("1889"), question("Paris.", context="In Paris. Or not.")],
        max_input_tokens,
        doc_stride,
    )
    whole = head_tokenizer(CONTEXT, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    seen: list[tuple[int, int]] = []
    for i, which in enumerate(made["example"]):
        assert (
            len(made["input_ids"][i])
            == len(made["begins"][i])
            == len(made["ends"][i])
            <= max_input_tokens
        )
        if which == 1:
            continue
        spans = [(b, e) for b, e in zip(made["begins"][i], made["ends"][i], strict=True) if b >= 0]
        if seen and doc_stride:
            assert seen[-doc_stride:] == spans[:doc_stride]
        seen += spans[doc_stride:] if seen else spans
    assert made["example"].count(1) == 1
    assert [tuple(span) for span in seen] == [tuple(span) for span in whole]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_answer_is_at_its_tokens_in_every_window_that_has_all_of_it(
    head_tokenizer: Any, answer: str, nth: int
) -> None:
    example = question(answer, nth)
    made = encode_windows(head_tokenizer, [example], 56, 20)
    begin = example.starts[0]
    n_whole = 0
    for begins, ends, start, end in zip(
        made["begins"], made["ends"], made["start"], made["end"], strict=True
    ):
        inside = [i for i, b in enumerate(begins) if b >= 0]
        if begins[inside[0]] <= begin and begin + len(answer) <= ends[inside[-1]]:
            n_whole += 1
            assert start <= end
            assert CONTEXT[begins[start] : ends[end]].strip() == answer
        else:
            assert (start, end) == (0, 0)
    assert 1 <= n_whole < len(made["start"])


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_model_that_points_at_the_answer_gives_its_text(head_tokenizer: Any, answer: str) -> None:
    made = encode_windows(head_tokenizer, [question(answer, 2)], 56, 20)
    windows = []
    for i, begins in enumerate(made["begins"]):
        logits = np.zeros((2, len(begins)))
        logits[0, made["start"][i]] = logits[1, made["end"][i]] = 9.0
        windows.append(WindowScores(0, begins, made["ends"][i], logits[0], logits[1]))
    assert [text.strip() for text in best_answers(windows, [CONTEXT])] == [answer]


def test_an_answer_inside_a_token_takes_all_of_it() -> None:
    example = Example("Which year?", "", "", "in 1889, then", ("188",), (3,))
    assert answer_tokens(example, [-1, 0, 3, 7, 9, -1], [-1, 2, 7, 8, 13, -1]) == (2, 2)
    spaced = Example("Which year?", "", "", "in 1889, then", (" 1889, ",), (2,))
    assert answer_tokens(spaced, [-1, 0, 3, 7, 9, -1], [-1, 2, 7, 8, 13, -1]) == (2, 3)


def test_no_answer_is_at_the_first_token() -> None:
    places = [-1, 0, 3], [-1, 2, 7]
    assert answer_tokens(Example("?", "", "", "in 1889"), *places) == (0, 0)
    assert answer_tokens(Example("?", "", "", "in 1889", ("1890",), (-1,)), *places) == (0, 0)
    assert answer_tokens(Example("?", "", "", "in 1889", ("1889",), (3,)), [-1, -1], [-1, -1]) == (
        0,
        0,
    )


def test_a_long_question_leaves_room_for_the_context(head_tokenizer: Any) -> None:
    example = Example(
        "who built it " * 50, "", CONTEXT, CONTEXT, ("1889",), (CONTEXT.index("1889"),)
    )
    made = encode_windows(head_tokenizer, [example], 32, 15)
    assert all(len(ids) <= 32 for ids in made["input_ids"])
    assert any(start for start in made["start"])
