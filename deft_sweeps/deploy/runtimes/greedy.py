"""Greedy decoding over logits, without torch."""

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.runtime import GeneratedText


class GreedyReading:
    """Greedy decoding's choices, and how sure they were.

    Attributes:
        steps: (batch,) token ids of each step.
    """

    def __init__(self, end_id: int) -> None:
        self._end_id = end_id
        self.steps: list[NDArray[np.int64]] = []
        self._log_probabilities: list[NDArray[np.float64]] = []
        self._empty: NDArray[np.float64] = np.zeros(0)

    @property
    def all_ended(self) -> bool:
        """Whether every text has its end token."""
        return bool(self.steps) and bool((np.stack(self.steps) == self._end_id).any(0).all())

    def take(self, logits: NDArray[np.float32]) -> NDArray[np.int64]:
        """The best token of each text, (batch,), from (batch, vocabulary)."""
        scores = log_softmax(logits)
        best: NDArray[np.int64] = scores.argmax(-1)
        if not self.steps:
            self._empty = scores[:, self._end_id]
        self.steps.append(best)
        self._log_probabilities.append(scores.max(-1))
        return best

    def texts(self) -> list[GeneratedText]:
        """One text an input, each up to its end token."""
        if not self.steps:
            return []
        tokens, sure = np.stack(self.steps, axis=1), np.stack(self._log_probabilities, axis=1)
        made = []
        for row, scores, empty in zip(tokens, sure, self._empty, strict=True):
            ends = np.flatnonzero(row == self._end_id)
            n_written = int(ends[0]) if len(ends) else len(row)
            n_scored = min(n_written + 1, len(row))
            ids = tuple(int(token) for token in row[:n_written])
            made.append(GeneratedText(ids, float(scores[:n_scored].mean()), float(empty)))
        return made


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(-1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logs
