"""What a runtime computes, whichever library it is built on: arrays in, arrays out.

Loads no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """A batch of tokenised texts, padded on the right.

    Attributes:
        input_ids: (batch, tokens), int64.
        attention_mask: (batch, tokens), int64; 1 on real tokens.
        token_type_ids: (batch, tokens), int64; 1 on the second text's tokens. None for families
            that do not use them.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """What a model wrote after one input.

    Attributes:
        token_ids: without the start token, and without the end token and what follows it.
        mean_log_probability: over the generated tokens, the end token included, in nats.
        empty_log_probability: of the end token as the first one, in nats.
    """

    token_ids: tuple[int, ...]
    mean_log_probability: float
    empty_log_probability: float


class Runtime(Protocol):
    """Computes a deployed model's outputs.

    A model that answers by text has `class_log_probabilities` and `generate`, one that answers
    through a head has `head_outputs`; the other methods raise ValueError.
    """

    @property
    def name(self) -> str:
        """`torch`, `sparse`, `onnx` or `ct2`."""
        ...

    def class_log_probabilities(
        self, inputs: ModelInputs, class_ids: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        """Log-probability of each class's target text.

        If every class begins with a token of its own, that of the first token alone, as a trial's
        score is measured.

        Args:
            inputs: the batch.
            class_ids: token ids of each class's target text, the end token included.

        Returns:
            (batch, classes), in nats; not normalised over the classes.
        """
        ...

    def head_outputs(self, inputs: ModelInputs) -> NDArray[np.float32]:
        """The head's logits: (batch, outputs), or (batch, tokens, 2) of a span."""
        ...

    def generate(self, inputs: ModelInputs, *, max_new_tokens: int) -> list[GeneratedText]:
        """Greedy decoding; one text an input.

        Args:
            inputs: the batch.
            max_new_tokens: after which a text is cut.
        """
        ...
