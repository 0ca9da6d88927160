"""Texts to token ids, in the text-to-text manner: the input in a template, the class's name as the target."""

from typing import Any

from deft_sweeps.errors import DataError


def encode(tokenizer: Any, texts: list[str], template: str, max_input_tokens: int) -> list[list[int]]:
    """Token ids of each text in the template, the end token included.

    A text that is too long is cut at its own end, so that the words of the template stay whole.

    Args:
        tokenizer: a fast one, which tells where in the text each token ends.
        texts: any number.
        template: with `{text}` where the text goes.
        max_input_tokens: of the whole input.

    Raises:
        DataError: the template alone fills the input.
    """
    n_template = len(tokenizer(_fill(template, ""))["input_ids"])
    if n_template >= max_input_tokens:
        raise DataError(f"the template takes {n_template} tokens, which leaves none of max_input_tokens {max_input_tokens} for the text")
    if not texts:
        return []
    encoded: list[list[int]] = tokenizer([_fill(template, text) for text in texts], verbose=False)["input_ids"]
    for i, ids in enumerate(encoded):
        budget = max_input_tokens - n_template
        while len(ids) > max_input_tokens:
            # A word may be cut in other pieces beside the template's words: at the first try the input may still be a token too long.
            ids = tokenizer(_fill(template, _cut(tokenizer, texts[i], budget)))["input_ids"]
            budget -= 1
        encoded[i] = ids
    return encoded


def encode_classes(tokenizer: Any, classes: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Token ids of each class's name, the end token included.

    Raises:
        DataError: two classes read the same to the tokenizer.
    """
    ids = tuple(tuple(tokenizer(name)["input_ids"]) for name in classes)
    same = sorted({name for i, name in enumerate(classes) if ids.count(ids[i]) > 1})
    if same:
        raise DataError(f"the tokenizer writes these classes alike: {', '.join(same[:5])}; give them other names")
    return ids


def _fill(template: str, text: str) -> str:
    # Spaces at the ends would be tokens of their own.
    return template.replace("{text}", text.strip()).strip()


def _cut(tokenizer: Any, text: str, n_tokens: int) -> str:
    if n_tokens <= 0:
        return ""
    ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    return text[: ends[n_tokens - 1][1]] if len(ends) >= n_tokens else text
