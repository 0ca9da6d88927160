"""Runs models in CTranslate2's format. Loads no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs
from deft_sweeps.deploy.runtimes.greedy import log_softmax
from deft_sweeps.models.answering import first_tokens_differ

_UNCUT = {"max_input_length": 0}
"""CTranslate2 would cut inputs at 1,024 tokens."""


@dataclass(frozen=True)
class Ct2Runtime:
    """A T5 in CTranslate2's format, on the CPU, in the precision that it was exported in.

    Attributes:
        folder: that holds `model.bin`, `config.json` and `shared_vocabulary.json`.
        n_threads: for one batch.
        name: of the runtime.
    """

    folder: Path
    n_threads: int = 1
    name: str = "ct2"

    def class_log_probabilities(
        self, inputs: ModelInputs, class_ids: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        """See `Runtime`."""
        texts = self._texts(inputs)
        if first_tokens_differ(class_ids):
            return self._first_tokens(texts, [ids[0] for ids in class_ids])
        # Scoring adds the end token itself.
        labels = [self._tokens(ids[:-1]) for ids in class_ids]
        results = self._model.score_batch(
            [text for text in texts for _ in labels], labels * len(texts), **_UNCUT
        )
        scores = np.array([sum(result.log_probs) for result in results], dtype=np.float32)
        return scores.reshape(len(texts), len(labels))

    def _first_tokens(
        self, texts: list[list[str]], token_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """Log-probabilities of the tokens as the first one: one decoder step for all of them."""
        results = self._model.translate_batch(
            texts,
            beam_size=1,
            max_decoding_length=1,
            min_decoding_length=0,
            return_logits_vocab=True,
            **_UNCUT,
        )
        logits = np.stack([np.asarray(result.logits[0][0]) for result in results])
        scores: NDArray[np.float32] = log_softmax(logits)[:, list(token_ids)].astype(np.float32)
        return scores

    def head_outputs(self, inputs: ModelInputs) -> NDArray[np.float32]:
        """See `Runtime`.

        Raises:
            ValueError: always, since CTranslate2 runs no heads.
        """
        raise ValueError("a CTranslate2 export answers by text, not by a head")

    def generate(self, inputs: ModelInputs, *, max_new_tokens: int) -> list[GeneratedText]:
        """See `Runtime`."""
        texts = self._texts(inputs)
        written = self._model.translate_batch(
            texts,
            beam_size=1,
            max_decoding_length=max_new_tokens,
            # Else no text could be empty.
            min_decoding_length=0,
            return_scores=True,
            **_UNCUT,
        )
        empty = self._model.score_batch(texts, [[]] * len(texts), **_UNCUT)
        return [
            GeneratedText(
                tuple(self._ids[token] for token in result.hypotheses[0]),
                result.scores[0],
                end.log_probs[0],
            )
            for result, end in zip(written, empty, strict=True)
        ]

    @cached_property
    def _model(self) -> Any:
        import ctranslate2

        return ctranslate2.Translator(
            str(self.folder), device="cpu", inter_threads=1, intra_threads=self.n_threads
        )

    @cached_property
    def _vocabulary(self) -> list[str]:
        text = (self.folder / "shared_vocabulary.json").read_text(encoding="utf-8")
        tokens: list[str] = json.loads(text)
        return tokens

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self._vocabulary)}

    def _tokens(self, ids: Sequence[int]) -> list[str]:
        return [self._vocabulary[number] for number in ids]

    def _texts(self, inputs: ModelInputs) -> list[list[str]]:
        lengths = inputs.attention_mask.sum(1)
        return [
            self._tokens(row[:n]) for row, n in zip(inputs.input_ids.tolist(), lengths, strict=True)
        ]
