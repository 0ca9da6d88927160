"""A tokenizer.json, read without transformers or torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deft_sweeps.models.family import Family

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class WholeTextTokenizer:
    """A tokenizer that neither cuts nor pads a text.

    Attributes:
        tokenizer: as the `tokenizers` library has it.
        unknown_id: id of the unknown token; None where there is none.
    """

    tokenizer: "Tokenizer"
    unknown_id: int | None


def open_tokenizer(path: Path, family: Family) -> WholeTextTokenizer:
    """The tokenizer of a file, without the cutting and padding that the file may ask for."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return WholeTextTokenizer(tokenizer, tokenizer.token_to_id(family.unknown_token))
