"""Texts to token ids, in the text-to-text manner: the input in a template, the answer's text as the
target.
"""

import re
from collections.abc import Sequence
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.models.vocabulary import unwritable_classes

_FIELDS = re.compile(r"\{text(_pair)?\}")


def encode(
    tokenizer: Any,
    texts: Sequence[str],
    template: str,
    max_input_tokens: int,
    seconds: Sequence[str] | None = None,
) -> list[list[int]]:
    """Token ids of each text, or pair of texts, in the template, the end token included.

    What is too long is cut at its own end, the longer of a pair first, so that the words of the
    template stay whole.

    Args:
        tokenizer: a fast one, which tells where in the text each token ends.
        texts: any number.
        template: with `{text}` where the text goes, and `{text_pair}` where the second one goes.
        max_input_tokens: of the whole input.
        seconds: as many as texts; None for single ones.

    Raises:
        DataError: the template alone fills the input.
    """
    n_template = len(tokenizer(fill(template, "", ""))["input_ids"])
    if n_template >= max_input_tokens:
        raise DataError(
            f"the template takes {n_template} tokens, which leaves none of max_input_tokens"
            f" {max_input_tokens} for the text"
        )
    if not texts:
        return []
    pairs = list(zip(texts, seconds or [""] * len(texts), strict=True))
    encoded: list[list[int]] = tokenizer([fill(template, *pair) for pair in pairs], verbose=False)[
        "input_ids"
    ]
    for i, whole in enumerate(encoded):
        ids = whole
        budget = max_input_tokens - n_template
        while len(ids) > max_input_tokens:
            # A word may be cut in other pieces beside the template's words: at the first try the
            # input may still be a token too long.
            ids = tokenizer(fill(template, *_cut_pair(tokenizer, *pairs[i], budget)))["input_ids"]
            budget -= 1
        encoded[i] = ids
    return encoded


def encode_targets(tokenizer: Any, texts: Sequence[str], max_target_tokens: int) -> list[list[int]]:
    """Token ids of each target text, cut at its end, the end token included."""
    if not texts:
        return []
    encoded: list[list[int]] = tokenizer(
        [text.strip() for text in texts], truncation=True, max_length=max_target_tokens
    )["input_ids"]
    return encoded


def encode_classes(tokenizer: Any, classes: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Token ids of each class's name, the end token included.

    Raises:
        DataError: the tokenizer cannot write them, or not apart from each other.
    """
    ids = tuple(tuple(tokenizer(name)["input_ids"]) for name in classes)
    if problems := unwritable_classes(classes, ids, tokenizer.unk_token_id):
        raise DataError("\n".join(problems))
    return ids


def number_text(value: float, step: float | None = None) -> str:
    """A number as a target text: rounded to a multiple of `step`, with one decimal; None keeps six
    digits.
    """
    return f"{value:g}" if step is None else f"{round(value / step) * step:.1f}"


def written_number(text: str, otherwise: float) -> float:
    """The number that a text writes; `otherwise` where it writes none."""
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if value - value == 0 else otherwise


def fill(template: str, text: str, second: str) -> str:
    """The template with a text, or a pair of texts, in it."""
    # Spaces at the ends would be tokens of their own. One pass: a text that holds `{text_pair}`
    # itself is no template.
    return _FIELDS.sub(lambda field: (second if field.group(1) else text).strip(), template).strip()


def before_second(template: str, text: str) -> str:
    """What stands before the second text where `fill` puts it."""
    return _FIELDS.sub(lambda _: text.strip(), template[: template.index("{text_pair}")]).lstrip()


def _cut_pair(tokenizer: Any, text: str, second: str, n_tokens: int) -> tuple[str, str]:
    if not second:
        return cut(tokenizer, text, n_tokens), ""
    n_text, n_second = (
        len(tokenizer(t, add_special_tokens=False, verbose=False)["input_ids"])
        for t in (text, second)
    )
    n_first = min(n_text, max(n_tokens // 2, n_tokens - n_second))
    return cut(tokenizer, text, n_first), cut(tokenizer, second, n_tokens - n_first)


def cut(tokenizer: Any, text: str, n_tokens: int) -> str:
    """The text's beginning of so many tokens."""
    if n_tokens <= 0:
        return ""
    ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)[
        "offset_mapping"
    ]
    return text[: ends[n_tokens - 1][1]] if len(ends) >= n_tokens else text
