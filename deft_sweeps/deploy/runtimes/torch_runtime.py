"""Computes a deployed model with torch: a merged model of transformers, or a trial's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deft_sweeps.axes.decoding import generated_lengths
from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs
from deft_sweeps.models.answering import (
    Answering,
    HeadAnswering,
    TextAnswering,
    first_tokens_differ,
)
from deft_sweeps.trial.predict import TokenConfidence


@dataclass(frozen=True, slots=True)
class TorchRuntime:
    """A model in evaluation mode, its gates at their thresholds.

    Attributes:
        model: that takes `input_ids` and `attention_mask`, and gives `logits`.
        answering: of its family.
        end_id: token that ends a text.
        name: of the runtime.
    """

    model: nn.Module
    answering: Answering
    end_id: int
    name: str = "torch"

    @torch.inference_mode()
    def class_log_probabilities(
        self, inputs: ModelInputs, class_ids: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        """See `Runtime`."""
        text, tensors = self._text, self._tensors(inputs)
        if not first_tokens_differ(class_ids):
            return _array(text.whole_label_scores(self.model, tensors, class_ids))
        n, device = inputs.input_ids.shape[0], tensors["input_ids"].device
        # Any label will do: none is read by the first position.
        labels = torch.full((n, 1), class_ids[0][0], device=device)
        logits = self.model(**tensors, labels=labels, use_cache=False).logits
        return _array(text.first_token_scores(logits.float().log_softmax(-1), class_ids))

    @torch.inference_mode()
    def head_outputs(self, inputs: ModelInputs) -> NDArray[np.float32]:
        """See `Runtime`."""
        if not isinstance(self.answering, HeadAnswering):
            raise ValueError("this model answers by text, not through a head")
        return _array(self.model(**self._tensors(inputs)).logits)

    @torch.inference_mode()
    def generate(self, inputs: ModelInputs, *, max_new_tokens: int) -> list[GeneratedText]:
        """See `Runtime`."""
        text, confidence = self._text, TokenConfidence(self.end_id)
        ids = text.generate(
            self.model,
            self._tensors(inputs),
            max_new_tokens=max_new_tokens,
            end_id=self.end_id,
            processors=(confidence,),
        )
        lengths = generated_lengths(ids, [self.end_id], text.n_start)
        rows = zip(
            ids[:, text.n_start :].tolist(),
            lengths.tolist(),
            confidence.means(lengths).tolist(),
            confidence.empty.tolist(),
            strict=True,
        )
        return [
            GeneratedText(tuple(one for one in row[:n] if one != self.end_id), mean, empty)
            for row, n, mean, empty in rows
        ]

    @property
    def _text(self) -> TextAnswering:
        if isinstance(self.answering, HeadAnswering):
            raise ValueError("this model answers through a head and writes no text")
        return self.answering

    def _tensors(self, inputs: ModelInputs) -> dict[str, Any]:
        device = next(self.model.parameters()).device
        columns = {"input_ids": inputs.input_ids, "attention_mask": inputs.attention_mask}
        if inputs.token_type_ids is not None:
            columns["token_type_ids"] = inputs.token_type_ids
        return {name: torch.from_numpy(column).to(device) for name, column in columns.items()}


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
