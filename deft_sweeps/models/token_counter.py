"""Tokens of texts, counted without transformers or torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.errors import DeftSweepsError
from deft_sweeps.models.checkpoints import read_config, tokenizer_file
from deft_sweeps.models.families import family_of, layout
from deft_sweeps.models.tokenizer_json import WholeTextTokenizer, open_tokenizer

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts the tokens of texts as one model reads them.

    Attributes:
        opened: the model's tokenizer.
    """

    opened: WholeTextTokenizer

    def __call__(self, texts: Sequence[str]) -> tuple[list[int], float]:
        """The length of each text in tokens, those that the tokenizer adds included, and the share
        of unknown tokens among all.
        """
        lengths: list[int] = []
        n_unknown = 0
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            for encoded in self.opened.tokenizer.encode_batch(batch):
                lengths.append(len(encoded.ids))
                n_unknown += sum(token == self.opened.unknown_id for token in encoded.ids)
        return lengths, n_unknown / max(1, sum(lengths))


def token_counter(name: str) -> TokenCounter | None:
    """The counter of a checkpoint; None if it has no tokenizer.json, or cannot be reached.

    Args:
        name: of the checkpoint, with its revision.
    """
    try:
        path = tokenizer_file(name)
        family = family_of(layout(read_config(name)))
    except DeftSweepsError:
        return None
    if path is None or not Path(path).is_file():
        return None
    return TokenCounter(open_tokenizer(Path(path), family))
