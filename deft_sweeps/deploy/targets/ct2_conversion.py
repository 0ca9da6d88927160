"""From a model of transformers in memory to CTranslate2's files."""

from pathlib import Path
from typing import Any

import torch
from ctranslate2.converters import transformers as loaders
from ctranslate2.converters.converter import Converter


def convert(model: Any, tokenizer: Any, loader: str, folder: Path, *, int8: bool) -> None:
    """Write a model's files into a folder.

    Args:
        model: of transformers, in float32, without wrappers.
        tokenizer: of it; its tokens are what the runtime reads and writes.
        loader: CTranslate2's class that reads such models.
        folder: to write to.
        int8: whether matrices are stored in int8.
    """
    quantization = "int8" if int8 else None
    source = _LoadedModel(model, tokenizer, loader)
    source.convert(str(folder), quantization=quantization, force=True)


def scales_logits(settings: Any) -> bool:
    """Whether a T5's logits are scaled, as those of tied embeddings are.

    transformers 5 says of every T5 that its embeddings are tied, and states this apart. CTranslate2
    reads the first for the second.
    """
    return bool(settings.scale_decoder_outputs)


class _LoadedModel(Converter):  # type: ignore[misc]  # CTranslate2 ships no types
    def __init__(self, model: Any, tokenizer: Any, loader: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._loader = loader

    def _load(self) -> Any:
        settings = self._model.config
        tied = settings.tie_word_embeddings
        settings.tie_word_embeddings = scales_logits(settings)
        try:
            with torch.no_grad():
                return _with_distinct_tokens(getattr(loaders, self._loader))(
                    self._model, self._tokenizer
                )
        finally:
            settings.tie_word_embeddings = tied


def _with_distinct_tokens(loader: Any) -> Any:
    """The loader, with a name of its own for each row beyond the tokenizer's tokens, where T5's
    would repeat names of other tokens.
    """

    class Distinct(loader):  # type: ignore[misc]  # CTranslate2 ships no types
        def get_vocabulary(self, model: Any, tokenizer: Any) -> list[str]:
            tokens: list[str] = loaders.ModelLoader.get_vocabulary(self, model, tokenizer)
            n_rows = model.config.vocab_size
            return [*tokens, *(f"<unused_{i}>" for i in range(len(tokens), n_rows))]

    return Distinct()
