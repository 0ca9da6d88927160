"""Tokens of texts, counted without transformers or torch."""

from collections.abc import Sequence
from pathlib import Path

from deft_sweeps.errors import DeftSweepsError
from deft_sweeps.models.checkpoints import read_config, tokenizer_file
from deft_sweeps.models.families import family_of, layout

_BATCH = 1000


def count_tokens(name: str, texts: Sequence[str]) -> tuple[list[int], float] | None:
    """The length of each text in tokens, those that the tokenizer adds included, and the share of
    unknown tokens among all.

    Args:
        name: of the checkpoint.
        texts: any number.

    Returns:
        None if the checkpoint has no tokenizer.json, or cannot be reached.
    """
    from tokenizers import Tokenizer

    try:
        path = tokenizer_file(name)
        unknown_token = family_of(layout(read_config(name))).unknown_token
    except DeftSweepsError:
        return None
    if path is None or not Path(path).is_file():
        return None
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown = tokenizer.token_to_id(unknown_token)
    lengths: list[int] = []
    n_unknown = 0
    for start in range(0, len(texts), _BATCH):
        for encoded in tokenizer.encode_batch(list(texts[start : start + _BATCH])):
            lengths.append(len(encoded.ids))
            n_unknown += sum(token == unknown for token in encoded.ids)
    return lengths, n_unknown / max(1, sum(lengths))
