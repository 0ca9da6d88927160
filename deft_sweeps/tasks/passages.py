"""Long contexts for a model that writes: the windows it reads them in, and which window's answer
counts. Loads no torch.

Of an example in one window, what the model writes there is its answer. Of several, the text with
the highest mean log-probability of its tokens, the end token included, counts: so texts of unlike
lengths compare. Nothing is the answer where nothing is written in any window; and, in a task whose
questions may have no answer, where even the lowest log-probability over the windows of ending at
once is above the best text's mean: BERT's own evaluation, too, takes the lowest null score, since a
window without the answer says so rightly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.tokens import before_second, cut, fill
from deft_sweeps.tasks.windows import MAX_QUESTION_TOKENS, Columns, answer_tokens


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote in answer to one window.

    Attributes:
        example: index of the window's example.
        text: without spaces around it; empty for no answer.
        score: mean log-probability of the tokens written, the end token included, in nats.
        empty: log-probability of ending at once, in nats.
    """

    example: int
    text: str
    score: float
    empty: float


def best_written(
    written: Sequence[Written], n_examples: int, *, may_be_none: bool = False
) -> list[str]:
    """One text an example, by the rule above; empty where there is no answer.

    Args:
        written: of all windows, in any order; one an example at least.
        n_examples: of the split.
        may_be_none: whether a question may have no answer (SQuAD v2).
    """
    of: list[list[Written]] = [[] for _ in range(n_examples)]
    for one in written:
        of[one.example].append(one)
    answers = []
    for windows in of:
        best = max((one for one in windows if one.text), key=lambda one: one.score, default=None)
        outvoted = (
            best is not None
            and may_be_none
            and len(windows) > 1
            and min(one.empty for one in windows) > best.score
        )
        answers.append("" if best is None or outvoted else best.text)
    return answers


def encode_passages(
    tokenizer: Any,
    examples: Sequence[Example],
    template: str,
    max_input_tokens: int,
    doc_stride: int,
) -> Columns:
    """Question and context in the template, in as many windows as the context takes; a context that
    fits is one input, as it is.

    Args:
        tokenizer: a fast one, which tells where in the text each token ends.
        examples: whose answer is the first of `answers`.
        template: with `{text}` where the question goes, and after it `{text_pair}` where the
            context goes.
        max_input_tokens: of a window, the template's tokens, question and end token included.
        doc_stride: tokens of the context that two windows next to each other share (fewer where the
            question leaves less room).

    Returns:
        A row a window: `input_ids`; `example`, the index into `examples`; `holds`, whether all of
        the answer is in it; `shares`, how many characters of the answer are.

    Raises:
        DataError: question and template leave no room for the context.
    """
    room_asked = min(MAX_QUESTION_TOKENS, max_input_tokens // 4)
    questions = [cut(tokenizer, example.text.strip(), room_asked) for example in examples]
    texts = [
        fill(template, question, example.second)
        for question, example in zip(questions, examples, strict=True)
    ]
    encoded = tokenizer(
        texts, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
    )
    made: Columns = {name: [] for name in ("input_ids", "example", "holds", "shares")}
    for which, (example, question) in enumerate(zip(examples, questions, strict=True)):
        ids, offsets = encoded["input_ids"][which], encoded["offset_mapping"][which]
        begin = len(before_second(template, question))
        until = begin + len(example.second.strip())
        # SentencePiece counts the space before a word among its token's characters, so the first
        # one begins before the context.
        special = encoded["special_tokens_mask"][which]
        ours = [
            not no_text and end > begin and b < until
            for (b, end), no_text in zip(offsets, special, strict=True)
        ]
        n_context = sum(ours)
        n_head = ours.index(True) if n_context else len(ids) - 1
        head, context, tail = (
            ids[:n_head],
            ids[n_head : n_head + n_context],
            ids[n_head + n_context :],
        )
        n_taken = len(head) + len(tail)
        room = max_input_tokens - n_taken
        if room < 1:
            raise DataError(
                f"question and template take {n_taken} tokens, which leaves none of"
                f" max_input_tokens {max_input_tokens}"
            )
        shift = begin - (len(example.second) - len(example.second.lstrip()))
        begins = [max(0, b - shift) for b, _ in offsets[n_head : n_head + n_context]]
        ends = [end - shift for _, end in offsets[n_head : n_head + n_context]]
        for first in _starts(n_context, room, doc_stride):
            inside = slice(first, first + room)
            made["input_ids"].append(head + context[inside] + tail)
            made["example"].append(which)
            # A token of the template stands before the context's, so that 0 is never the answer's.
            made["holds"].append(
                answer_tokens(example, [-1, *begins[inside]], [-1, *ends[inside]]) != (0, 0)
            )
            made["shares"].append(_shared(example, begins[inside], ends[inside]))
    return made


def targets(made: Columns, examples: Sequence[Example], *, may_be_none: bool) -> list[str | None]:
    """The text to write in each window; None where nothing is to be learned.

    A question without an answer has the empty text in every window. Another has its first answer in
    the windows that hold all of it, or, where none does, in the one that shares most with it (the
    first, of an answer that is not in the context word by word). Its other windows have the empty
    text where questions may have no answer, and nothing to learn where they always have one.

    Args:
        made: by `encode_passages`.
        examples: of `made`.
        may_be_none: whether a question of the task may have no answer.
    """
    texts: list[str | None] = []
    for which, rows in groupby(range(len(made["example"])), key=lambda row: made["example"][row]):
        windows, example = list(rows), examples[which]
        answer = example.answers[0] if example.answers else ""
        telling = {row for row in windows if made["holds"][row]} or {
            max(windows, key=lambda row: made["shares"][row])
        }
        texts += [
            answer if not answer or row in telling else "" if may_be_none else None
            for row in windows
        ]
    return texts


def _starts(n_context: int, room: int, doc_stride: int) -> range:
    """Where in the context the windows begin: the last one is the first that reaches its end."""
    step = max(1, room - doc_stride)
    return range(0, max(1, n_context - room + step), step)


def _shared(example: Example, begins: Sequence[int], ends: Sequence[int]) -> int:
    if not begins or not example.answers or example.starts[0] < 0:
        return 0
    return max(
        0,
        min(ends[-1], example.starts[0] + len(example.answers[0]))
        - max(begins[0], example.starts[0]),
    )
