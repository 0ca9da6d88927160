"""A bundle's tokenizer, read by the package `tokenizers` alone, for runtimes without torch:
importing transformers imports torch, which takes seconds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE, _CONFIG = "tokenizer.json", "tokenizer_config.json"
_PLAIN_CLASSES = ("TokenizersBackend", "PreTrainedTokenizerFast")


@dataclass(frozen=True, slots=True)
class TokenRows:
    """What some texts were encoded as, with the keys that transformers gives them."""

    columns: dict[str, Any]
    encodings: Sequence[Any]

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def sequence_ids(self, row: int) -> list[int | None]:
        """Of each token of a row, which of the two texts it is of; None for special tokens."""
        ids: list[int | None] = self.encodings[row].sequence_ids
        return ids


class BundleTokenizer:
    """Encodes and decodes as a fast tokenizer of transformers does, with the options that
    `deft_sweeps.tasks` uses.

    Args:
        folder: with `tokenizer.json` and `tokenizer_config.json`.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        self._backend: Any = Tokenizer.from_file(str(folder / _FILE))
        self._backend.no_padding()
        self._has_segments = "token_type_ids" in config.get("model_input_names", ())
        self.pad_token_id = self._id(config, "pad_token")
        self.eos_token_id = self._id(config, "eos_token")
        self.unk_token_id = self._id(config, "unk_token")

    def __call__(
        self,
        texts: str | Sequence[str],
        seconds: Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: str = "",
        max_length: int = 0,
        stride: int = 0,
        return_overflowing_tokens: bool = False,
        **_: Any,
    ) -> TokenRows:
        """The texts, or pairs of texts, as columns of one list a row; of a single text a list.

        Args:
            texts: one or several.
            seconds: as many; None for single ones.
            add_special_tokens: whether the model's own tokens are put around them.
            truncation: `longest_first` or `only_second`; empty cuts nothing.
            max_length: tokens of a row that is cut.
            stride: tokens that a row shares with the next one of the same text.
            return_overflowing_tokens: whether what was cut makes rows of its own.
            _: what only chooses among the columns, all of which are there.
        """
        if truncation:
            self._backend.enable_truncation(max_length, stride=stride, strategy=truncation)
        else:
            self._backend.no_truncation()
        single = isinstance(texts, str)
        given = [texts] if isinstance(texts, str) else list(texts)
        pairs = given if seconds is None else list(zip(given, seconds, strict=True))
        encoded = self._backend.encode_batch(pairs, add_special_tokens=add_special_tokens)
        rows = [
            (which, part)
            for which, whole in enumerate(encoded)
            for part in (whole, *(whole.overflowing if return_overflowing_tokens else ()))
        ]
        parts = [part for _, part in rows]
        columns: dict[str, Any] = {
            "input_ids": [part.ids for part in parts],
            "offset_mapping": [part.offsets for part in parts],
            "special_tokens_mask": [part.special_tokens_mask for part in parts],
        }
        if self._has_segments:
            columns["token_type_ids"] = [part.type_ids for part in parts]
        if single:
            columns = {name: values[0] for name, values in columns.items()}
        columns["overflow_to_sample_mapping"] = [which for which, _ in rows]
        return TokenRows(columns, parts)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of some tokens."""
        text: str = self._backend.decode(list(ids), skip_special_tokens=skip_special_tokens)
        return text

    def _id(self, config: dict[str, Any], name: str) -> int | None:
        token = config.get(name)
        content = token.get("content") if isinstance(token, dict) else token
        number: int | None = self._backend.token_to_id(content) if content else None
        return number


def can_be_read(folder: Path) -> bool:
    """Whether a folder's tokenizer can be read without transformers, to the same result."""
    if not (folder / _FILE).is_file() or not (folder / _CONFIG).is_file():
        return False
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    # Classes of their own, and these settings, do more than tokenizer.json says.
    changes = config.get("clean_up_tokenization_spaces") or config.get("truncation_side") == "left"
    return config.get("tokenizer_class") in _PLAIN_CLASSES and not changes
