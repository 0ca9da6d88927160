"""Computes a deployed model with torch: as the trial did, with MLP blocks that compute active rows
only, or as plain transformers opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import Gates
from deft_sweeps.axes.decoding import generated_lengths
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.rebuilt_model import open_model, open_plain
from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs
from deft_sweeps.models.answering import (
    Answering,
    HeadAnswering,
    TextAnswering,
    first_tokens_differ,
)
from deft_sweeps.models.families import family_of
from deft_sweeps.sparse.replacement import sparse_mlp_
from deft_sweeps.trial.predict import TokenConfidence


@dataclass(frozen=True, slots=True)
class TorchRuntime:
    """A model in evaluation mode, its gates at their thresholds.

    Attributes:
        model: that takes `input_ids` and `attention_mask`, and gives `logits`.
        answering: of its family.
        end_id: token that ends a text.
        name: of the runtime.
        gates: of the model, with their thresholds; empty where nothing can read them.
    """

    model: nn.Module
    answering: Answering
    end_id: int
    name: str
    gates: Gates = ()

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


def open_torch(
    folder: Path, manifest: Manifest, end_id: int, n_threads: int, *, name: str
) -> TorchRuntime:
    """A bundle's model in a runtime of torch.

    Args:
        folder: of the bundle.
        manifest: of it.
        end_id: token that ends a text.
        n_threads: of torch, and of the kernel of `sparse`.
        name: `torch`, `sparse` or `hf`.

    Raises:
        CheckpointError: the base cannot be had.
        ConfigError: a block cannot be replaced by a sparse one.
    """
    torch.set_num_threads(n_threads)
    if name == "hf":
        model, shape = open_plain(folder / "hf", manifest)
        return TorchRuntime(model.eval(), family_of(shape).answering, end_id, name)
    model, shape, gates = open_model(folder, manifest)
    if name == "sparse":
        sparse_mlp_(model, shape, gates, n_threads=n_threads)
        gates = ()
    return TorchRuntime(model.eval(), family_of(shape).answering, end_id, name, gates)


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
