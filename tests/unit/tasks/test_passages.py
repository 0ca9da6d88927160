"""Windows of long contexts for a model that writes, against loops over tokens and windows."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.config.data import Splits, SquadTask
from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.passages import Written, best_written, encode_passages, targets
from deft_sweeps.tasks.squad import PROMPT
from deft_sweeps.tasks.task_data import load_task
from deft_sweeps.tasks.tokens import encode

CONTEXT = (
    " The tower was built from 1887 to 1889 by Gustave Eiffel’s company, {text_pair} in Paris.\nNot"
    " in Lyon. " * 4
)
ANSWERS = ["The tower", "1889", "Gustave Eiffel", "in Paris.", "Lyon"]


@pytest.fixture(scope="module")
def tokenizer(packaged_model: str) -> Any:
    return load_tokenizer(packaged_model)


def question(answer: str, nth: int = 1, context: str = CONTEXT) -> Example:
    start = -1
    for _ in range(nth):
        start = context.index(answer, start + 1)
    return Example("Who {text} built it?", "", context, context, (answer,), (start,))


@pytest.mark.parametrize(
    ("max_input_tokens", "doc_stride"), [(40, 8), (56, 20), (33, 0), (400, 128)]
)
def test_windows_are_the_whole_inputs_tokens_cut_apart(
    tokenizer: Any, max_input_tokens: int, doc_stride: int
) -> None:
    examples = [
        question("1889", 2),
        Example("Where?", "", "x", "In Paris.", ("Paris",), (3,)),
        Example("Where?", "", "x", ""),
    ]
    made = encode_passages(tokenizer, examples, PROMPT, max_input_tokens, doc_stride)
    for which, example in enumerate(examples):
        whole = tokenizer(f"question: {example.text} context: {example.second.strip()}".strip())[
            "input_ids"
        ]
        head = tokenizer(f"question: {example.text} context:", add_special_tokens=False)[
            "input_ids"
        ]
        room = max_input_tokens - len(head) - 1
        remaining, expected = whole[len(head) : -1], []
        while True:
            expected.append([*head, *remaining[:room], whole[-1]])
            if len(remaining) <= room:
                break
            remaining = remaining[room - doc_stride :]
        assert [
            ids for ids, of in zip(made["input_ids"], made["example"], strict=True) if of == which
        ] == expected
    assert made["example"].count(1) == made["example"].count(2) == 1
    assert (made["example"].count(0) > 1) == (max_input_tokens < 100)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("nth", [1, 3])
def test_a_window_holds_the_answer_where_its_tokens_do(
    tokenizer: Any, answer: str, nth: int
) -> None:
    example = question(answer, nth)
    made = encode_passages(tokenizer, [example], PROMPT, 56, 20)
    n_holding = 0
    seen = 0
    body = tokenizer(
        f"question: {example.text} context: {CONTEXT.strip()}", return_offsets_mapping=True
    )
    shift = len("question: Who {text} built it? context: ") - 1
    begin, end = example.starts[0] + shift, example.starts[0] + shift + len(answer)
    touched = [i for i, (b, e) in enumerate(body["offset_mapping"][:-1]) if e > begin and b < end]
    n_head = len(
        tokenizer(f"question: {example.text} context:", add_special_tokens=False)["input_ids"]
    )
    for ids, holds in zip(made["input_ids"], made["holds"], strict=True):
        places = range(n_head + seen, n_head + seen + len(ids) - n_head - 1)
        assert holds == (touched[0] in places and touched[-1] in places)
        n_holding += holds
        seen += len(ids) - n_head - 1 - 20
    assert 1 <= n_holding < len(made["holds"])


def test_what_fits_is_tokenised_as_it_always_was(tokenizer: Any) -> None:
    example = question("1889", context="built in 1889 by Eiffel")
    made = encode_passages(tokenizer, [example], PROMPT, 64, 20)
    assert made["input_ids"] == encode(tokenizer, [example.text], PROMPT, 64, [example.second])
    assert (made["holds"], made["shares"]) == ([True], [4])


def test_a_long_question_is_cut_and_leaves_room(tokenizer: Any) -> None:
    example = Example(
        "who built it and when " * 50, "", CONTEXT, CONTEXT, ("1889",), (CONTEXT.index("1889"),)
    )
    made = encode_passages(tokenizer, [example], PROMPT, 32, 15)
    assert all(len(ids) <= 32 for ids in made["input_ids"])
    assert any(made["holds"])
    with pytest.raises(DataError, match="question and template take"):
        encode_passages(tokenizer, [example], "word " * 40 + PROMPT, 32, 15)


def test_what_is_learned_from_each_window() -> None:
    one = Example("?", "", "", "c", ("yes",), (9,))
    made: dict[str, list[Any]] = {
        "example": [0, 0, 0, 1, 1, 2, 2],
        "holds": [False, True, True, *[False] * 4],
        "shares": [0, 3, 3, 0, 0, 1, 2],
    }
    examples = [one, Example("?", "", "", "c"), one]
    assert targets(made, examples, may_be_none=True) == ["", "yes", "yes", "", "", "", "yes"]
    assert targets(made, examples, may_be_none=False) == [None, "yes", "yes", "", "", None, "yes"]
    elsewhere: dict[str, list[Any]] = {"example": [0, 0], "holds": [False, False], "shares": [0, 0]}
    assert targets(elsewhere, [Example("?", "", "", "c", ("yes",), (-1,))], may_be_none=False) == [
        "yes",
        None,
    ]


@pytest.mark.parametrize("may_be_none", [True, False])
def test_the_best_window_answers(may_be_none: bool) -> None:
    draw = random.Random(3)
    n_none = n_best = 0
    for _ in range(300):
        windows = [
            Written(draw.randrange(4), draw.choice(["", "a", "b"]), -draw.random(), -draw.random())
            for _ in range(draw.randrange(4, 12))
        ] + [Written(i, "c", -draw.random() * 2, -draw.random()) for i in range(4)]
        expected = []
        for i in range(4):
            mine = [one for one in windows if one.example == i]
            text, score, empty = "", -99.0, 0.0
            for one in mine:
                empty = min(empty, one.empty)
                if one.text and one.score > score:
                    text, score = one.text, one.score
            if may_be_none and len(mine) > 1 and empty > score:
                text = ""
            n_none += not text
            n_best += text in ("a", "b")
            expected.append(text)
        assert best_written(windows, 4, may_be_none=may_be_none) == expected
    assert n_best > 0
    assert (n_none > 0) == may_be_none


def test_one_window_says_what_it_says() -> None:
    assert best_written(
        [Written(0, "a", -9.0, -0.1), Written(1, "", -0.1, -0.1)], 2, may_be_none=True
    ) == ["a", ""]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_squad_in_windows(version: Any, packaged_model: str, tmp_path: Path) -> None:
    for stem in ("train", "dev"):
        paragraphs = []
        for i in range(12):
            context = (
                f"{stem} {i}. "
                + "Nothing happens here, day after day. " * 12
                + f"The tower of {i} was built in {1900 + i}."
            )
            answers = [{"text": str(1900 + i), "answer_start": context.index(str(1900 + i))}]
            none = version == "2.0" and i % 2 == 1
            question = {
                "question": "When was it built?",
                "id": str(i),
                "answers": [] if none else answers,
                "is_impossible": none,
            }
            paragraphs.append({"context": context, "qas": [question]})
        (tmp_path / f"{stem}-v{version}.json").write_text(
            json.dumps({"data": [{"paragraphs": paragraphs}]})
        )
    task = SquadTask(
        version=version,
        folder=str(tmp_path),
        max_input_tokens=64,
        doc_stride=16,
        splits=Splits(validation=4),
    )
    data, splits, tokenizer = (
        load_task(task, packaged_model),
        read_splits(task),
        load_tokenizer(packaged_model),
    )
    assert data.may_be_none == (version == "2.0")
    for split, examples in ((data.train, splits.train), (data.test, splits.test)):
        for row in split:
            text = tokenizer.decode(row["input_ids"], skip_special_tokens=True)
            target = tokenizer.decode(row["target_ids"], skip_special_tokens=True)
            (answer,) = examples[row["example"]].answers or ("",)
            inside = bool(answer) and f"built in {answer}." in text
            assert len(row["input_ids"]) <= 64
            assert text.startswith("question: When was it built? context:")
            assert target == (answer if inside or version == "1.1" else "")
            if split is data.train and version == "1.1":
                assert inside
        assert sorted(set(split["example"])) == list(range(len(examples)))
    assert (len(data.train) == len(splits.train)) == (version == "1.1")
    assert len(data.test) > 2 * len(splits.test)
