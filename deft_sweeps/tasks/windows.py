"""Texts to token ids for a model with a head: pairs as the family joins them, long contexts in
overlapping windows.
"""

from collections.abc import Sequence
from typing import Any

from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.tokens import cut

MAX_QUESTION_TOKENS = 64
"""Longer questions are cut, as in BERT's own evaluation; and at a quarter of the window."""

Columns = dict[str, list[Any]]


def encode_for_head(tokenizer: Any, examples: Sequence[Example], max_input_tokens: int) -> Columns:
    """Each text, or pair of texts, with the family's special tokens; the longer of a pair is cut
    first.

    Returns:
        `input_ids`, and `token_type_ids` where the family uses them.
    """
    texts = [example.text.strip() for example in examples]
    seconds = (
        [example.second.strip() for example in examples]
        if any(example.second for example in examples)
        else None
    )
    encoded = tokenizer(texts, seconds, truncation="longest_first", max_length=max_input_tokens)
    return {name: encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded}


def encode_windows(
    tokenizer: Any, examples: Sequence[Example], max_input_tokens: int, doc_stride: int
) -> Columns:
    """Question and context in as many windows as the context takes.

    Args:
        tokenizer: a fast one.
        examples: whose answer is the first of `answers`.
        max_input_tokens: of a window.
        doc_stride: tokens of the context that two windows next to each other share.

    Returns:
        A row a window: `input_ids`; `token_type_ids` where the family uses them; `example`, the
        index into `examples`; `start` and `end`, the answer's first and last token, 0 and 0 where
        the window has not all of it; `begins` and `ends`, each token's place in the context, -1 for
        tokens that are not of it.
    """
    room = min(MAX_QUESTION_TOKENS, max_input_tokens // 4)
    encoded = tokenizer(
        [cut(tokenizer, example.text.strip(), room) for example in examples],
        [example.second for example in examples],
        truncation="only_second",
        max_length=max_input_tokens,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    made: Columns = {
        name: encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded
    }
    made |= {name: [] for name in ("example", "start", "end", "begins", "ends")}
    for row, which in enumerate(encoded["overflow_to_sample_mapping"]):
        places = zip(encoded["offset_mapping"][row], encoded.sequence_ids(row), strict=True)
        spans = [place if of == 1 else (-1, -1) for place, of in places]
        begins, ends = [begin for begin, _ in spans], [end for _, end in spans]
        start, end = answer_tokens(examples[which], begins, ends)
        for name, value in (
            ("example", which),
            ("start", start),
            ("end", end),
            ("begins", begins),
            ("ends", ends),
        ):
            made[name].append(value)
    return made


def answer_tokens(example: Example, begins: Sequence[int], ends: Sequence[int]) -> tuple[int, int]:
    """First and last token of the example's first answer; 0 and 0 where it has none or the window
    cuts it.

    Args:
        example: with answers and where they begin.
        begins: each token's place in the context, -1 for tokens that are not of it.
        ends: likewise, exclusive.
    """
    if not example.answers or example.starts[0] < 0:
        return 0, 0
    answer = example.answers[0]
    # Spaces at an answer's ends are in no token.
    begin = example.starts[0] + len(answer) - len(answer.lstrip())
    end = begin + len(answer.strip())
    inside = [i for i, place in enumerate(begins) if place >= 0]
    if not inside or begin < begins[inside[0]] or end > ends[inside[-1]]:
        return 0, 0
    # An answer may begin or end inside a token.
    touched = [i for i in inside if ends[i] > begin and begins[i] < end]
    return (touched[0], touched[-1]) if touched else (0, 0)
