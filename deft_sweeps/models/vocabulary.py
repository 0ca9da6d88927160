"""Whether a tokenizer goes with its model and with the data. Loads no torch."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.models.families import FAMILIES, Layout
from deft_sweeps.models.probe_process import ProbeError, answer_of
from deft_sweeps.models.safetensors_header import has_weights, read_headers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_PATTERNS = ("*.json", "*.model", "vocab.txt", "merges.txt")
"""Files of a hub repository that a tokenizer may need; the JSON files are small."""

UNTYPED_FILES = ("vocab.txt", "merges.txt")
"""Vocabularies whose ending does not tell them from other files."""

_BYTE_TOKENIZERS = ("ByT5Tokenizer", "PerceiverTokenizer")
"""They read bytes, so they need no file; they do not say where in a text a token ends."""

SPECIAL_IDS = ("pad_token_id", "eos_token_id")
"""Ids that the model's config.json and its tokenizer both have."""

MAX_IDLE_SHARE = 0.1
MAX_IDLE_ROWS = 127
"""Embedding rows without a token, as a share of all and in number; the larger bound counts.

Rows are padded to a multiple of 128 at most (T5: 32,128 rows for 32,100 tokens), which leaves 127
idle. The nearest mix-up of published checkpoints, BERT's tokenizer on RoBERTa, leaves 39 % idle.
"""

MAX_UNKNOWN_SHARE = 0.5
"""Share of the texts' characters, without spaces, that may be in unknown tokens.

Measured with the packaged models: 0 of English and German; 94 to 100 % of Chinese, Hindi and Korean
in T5's vocabulary, 43 to 88 % in MiniLM's. Of characters, since T5 writes such a word as two tokens
of which only one is unknown.
"""

SAMPLE_TEXTS = 500
SAMPLE_CHARACTERS = 2_000
_MOST_NAMED = 5
_TIMEOUT_SEC = 120


def missing_vocabulary(folder: Path, family: str) -> str:
    """What the folder lacks for a tokenizer of the family; empty where it lacks nothing."""
    sets = FAMILIES[family].vocabulary_files
    whole = [files for files in sets if all((folder / file).is_file() for file in files)]
    if not whole:
        expected = f"expected {' or '.join(' with '.join(files) for files in sets)}"
        if named := _tokenizer_class(folder):
            title = FAMILIES[family].title
            return f"has the tokenizer {named}, which is not supported for {title}: {expected}"
        return f"has no tokenizer: {expected}"
    return ""


def _tokenizer_class(folder: Path) -> str:
    """Class of the tokenizer that reads no vocabulary file, as that of ByT5; empty where none is
    named.
    """
    for name in ("tokenizer_config.json", "config.json"):
        with suppress(OSError, ValueError, AttributeError):
            document = json.loads((folder / name).read_text(encoding="utf-8"))
            if document.get("tokenizer_class") in _BYTE_TOKENIZERS:
                return str(document["tokenizer_class"])
    return ""


def vocabulary_misfit(n_tokens: int, n_rows: int) -> str:
    """Why a tokenizer does not go with the embedding; empty where it does.

    Args:
        n_tokens: of the tokenizer, added ones included.
        n_rows: of the model's token embedding.
    """
    counts = f"the tokenizer has {n_tokens:,} tokens, the model's embedding {n_rows:,} rows"
    if n_tokens > n_rows:
        return (
            f"{counts}: tokens beyond the last row cannot be read; resize the embedding and save"
            " the model again"
        )
    if n_rows - n_tokens > max(MAX_IDLE_ROWS, MAX_IDLE_SHARE * n_rows):
        return (
            f"{counts}: at least {1 - MAX_IDLE_SHARE:.0%} of the rows should have one; it is"
            " another model's, or files of it are missing"
        )
    return ""


def special_token_problems(
    config: Mapping[str, Any], shape: Layout, tokenizer_ids: Mapping[str, int | None]
) -> list[str]:
    """Why the special tokens of a model and of its tokenizer do not go together.

    Vocabularies of equal size pass every other check, and another model's has these elsewhere.

    Args:
        config: config.json; an id that it leaves out is not compared.
        shape: of the same model.
        tokenizer_ids: by the names of SPECIAL_IDS; None if there is no such token.
    """
    vocabularies = []
    if config.get("pad_token_id", 0) is None:
        vocabularies.append(
            "config.json says pad_token_id null: write there the id that padding has"
        )
    compared: dict[str, int | None] = {}
    if shape.first_position > 0:
        # Positions count on from the padding token's id, and a token of that id has none.
        compared["pad_token_id"] = shape.first_position - 1
    if FAMILIES[shape.family].text is not None:
        # An answer begins with the padding token and ends with the other one.
        compared |= {name: config.get(name) for name in SPECIAL_IDS}
        if tokenizer_ids["eos_token_id"] is None:
            vocabularies.append("the tokenizer has nothing that ends an answer: name its eos_token")
    for name, expected in compared.items():
        got = tokenizer_ids[name]
        if None not in (expected, got) and expected != got:
            vocabularies.append(
                f"the tokenizer's {name} is {got}, the model's {expected}: it is another model's,"
                " or one of the two is wrong"
            )
    return vocabularies


def sample(texts: Sequence[str]) -> tuple[str, ...]:
    """Some of the texts, evenly spaced, each to a limit."""
    step = max(1, len(texts) // SAMPLE_TEXTS)
    return tuple(text[:SAMPLE_CHARACTERS] for text in texts[::step][:SAMPLE_TEXTS])


def unknown_share(tokenizer: "Tokenizer", unknown: int | None, texts: Sequence[str]) -> float:
    """Share of the texts' characters, without spaces, that no token but the unknown one stands for.

    Args:
        tokenizer: as the `tokenizers` library has it.
        unknown: id of the unknown token; None where there is none.
        texts: any number.
    """
    n_lost = n_all = 0
    for text, encoded in zip(texts, tokenizer.encode_batch(list(texts)), strict=True):
        read = bytearray(len(text))
        pieces = list(zip(encoded.ids, encoded.offsets, strict=True))
        # The unknown ones last: T5's mark of a word's begin spans the first letter of the unknown
        # word.
        for is_unknown in (False, True):
            for token, (begin, end) in pieces:
                if (token == unknown) == is_unknown:
                    read[begin:end] = bytes([not is_unknown]) * (end - begin)
        letters = [i for i, letter in enumerate(text) if not letter.isspace()]
        n_all += len(letters)
        n_lost += sum(not read[i] for i in letters)
    return n_lost / n_all if n_all else 0.0


def too_unknown(share: float) -> str:
    """What to say of the share of unknown text; empty where it is within the bound."""
    if share <= MAX_UNKNOWN_SHARE:
        return ""
    return (
        f"the tokenizer has no tokens for {share:.0%} of the data's characters (at most"
        f" {MAX_UNKNOWN_SHARE:.0%}), so the model would see unknown tokens; take a model of the"
        " data's language, or mend the tokenizer's files"
    )


def unwritable_classes(
    classes: Sequence[str], ids: Sequence[Sequence[int]], unknown: int | None
) -> list[str]:
    """Why a model that writes cannot answer with the classes' names; empty if it can.

    Args:
        classes: names.
        ids: of each name's tokens.
        unknown: id of the unknown token; None where there is none.
    """
    of = dict(zip(classes, map(tuple, ids), strict=True))
    counts = Counter(of.values())
    alike = [name for name, tokens in of.items() if counts[tokens] > 1]
    unknown_words = [
        name for name, tokens in of.items() if unknown is not None and unknown in tokens
    ]
    problems = []
    if alike:
        problems.append(
            f"the tokenizer writes these classes alike: {_some(alike)}; give them other names"
        )
    if unknown_words:
        problems.append(
            f"the tokenizer has no tokens for a part of these classes: {_some(unknown_words)};"
            " the model would learn to write unknown ones: give the classes names that it can"
            " write, or take a model that answers through a head"
        )
    return problems


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def embedding_rows(folder: Path, family: str) -> int | None:
    """Rows of the token embedding as the headers of the folder's safetensors say; None where none
    says.
    """
    if not has_weights(folder):
        return None
    ending = f".{FAMILIES[family].token_embedding}.weight"
    for name, shape in read_headers(folder).shapes.items():
        if f".{name}".endswith(ending) and len(shape) == 2:
            return shape[0]
    return None


@cache
def probe(folder: Path, texts: tuple[str, ...], classes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The folder's tokenizer tried by transformers in a process of its own, which this one need not
    load it for.

    Returns:
        `n_tokens`, `is_fast`, `kind` (its class), `unknown_share`, `special` (an id by name),
        `unknown_id` and `class_ids`; or `error`.
    """
    question = json.dumps({"folder": str(folder.absolute()), "texts": texts, "classes": classes})
    try:
        # Not only a start-up of seconds: what reads a spec loads neither transformers nor torch.
        outcome: dict[str, Any] = answer_of(
            "deft_sweeps.models.tokenizer_probe", question, _TIMEOUT_SEC
        )
    except ProbeError as error:
        return {"error": str(error)}
    return outcome
