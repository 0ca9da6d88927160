"""Score and density of a model on held-out examples, measured together at each threshold."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.activation import Gates, thresholded, thresholded_by_block
from deft_sweeps.axes.density import DensityMeter
from deft_sweeps.config.axes import check
from deft_sweeps.result import DensityReading, Point, Score
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.train import task_loss_sum


def class_scores(logits: Tensor, class_ids: Sequence[Sequence[int]]) -> Tensor:
    """Log-odds of each class from its first token, which no earlier label token can influence.

    Args:
        logits: (batch, tokens, vocabulary), teacher-forced.
        class_ids: token ids of each class's target text, the first ones distinct.

    Returns:
        (batch, classes)
    """
    first = torch.tensor([ids[0] for ids in class_ids], device=logits.device)
    return logits[:, 0].float().index_select(1, first)


def first_tokens_tell(class_ids: Sequence[Sequence[int]]) -> bool:
    """Whether every class begins with a token of its own."""
    return len({ids[0] for ids in class_ids}) == len(class_ids)


def accuracy(example_scores: Sequence[float]) -> Score:
    """Share of right answers with the binomial standard error sqrt(p (1 - p) / n)."""
    n = len(example_scores)
    p = sum(example_scores) / n
    return Score(metric="accuracy", value=p, n_examples=n, standard_error=(p * (1 - p) / n) ** 0.5)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Measures one model.

    Attributes:
        model: with the PEFT method attached; put into evaluation mode for as long as it is measured.
        batches: of the held-out split, in any order.
        order: for each example of the batches in turn, its place in the split.
    """

    model: nn.Module
    gates: Gates
    batches: Sequence[Batch]
    order: Sequence[int]
    class_ids: Sequence[Sequence[int]]
    device: torch.device

    def __post_init__(self) -> None:
        check(sorted(self.order) == list(range(len(self.order))) and len(self.order) > 0, "an order over all examples", len(self.order))

    @torch.no_grad()
    def point(self, threshold: float) -> Point:
        """Score and density with gate entries at or below `threshold` zeroed."""
        return self._measure(threshold, DensityMeter(self.gates))

    def point_by_block(self, percentile: float, thresholds: tuple[float, ...]) -> Point:
        """Score and density with each block's own threshold, in running order, which zeroes `percentile` of its calibration entries."""
        with thresholded_by_block(self.gates, thresholds):
            point = self.point(0.0)
        return replace(point, threshold=sum(thresholds) / len(thresholds), percentile=percentile, block_thresholds=thresholds)

    @torch.no_grad()
    def point_and_exact_density(self) -> tuple[Point, DensityReading]:
        """The point at threshold 0, and the paper-compatible count beside it: the gate in the base's own dtype."""
        meter = DensityMeter(self.gates, native=True)
        return self._measure(0.0, meter), meter.native_result()

    def _measure(self, threshold: float, meter: DensityMeter) -> Point:
        right: list[float] = []
        nll, n_tokens = 0.0, 0
        with thresholded(self.gates, threshold), evaluating(self.model):
            for batch in self.batches:
                inputs, masks = model_inputs(batch, self.device)
                with meter.reading(masks):
                    logits = self.model(**inputs).logits
                nll += float(task_loss_sum(logits, inputs["labels"]))
                n_tokens += int((inputs["labels"] != -100).sum())
                told = first_tokens_tell(self.class_ids)
                scores = class_scores(logits, self.class_ids) if told else self._whole_label_scores(inputs)
                right += (scores.argmax(-1).cpu() == batch.label_class).float().tolist()
        in_order = [0.0] * len(right)
        for place, value in zip(self.order, right, strict=True):
            in_order[place] = value
        return Point(
            threshold=threshold, score=accuracy(right), loss=nll / n_tokens, density=meter.result(), example_scores=tuple(in_order)
        )

    def _whole_label_scores(self, inputs: dict[str, Any]) -> Tensor:
        """Log-likelihood of each class's whole target text, (batch, classes), over one run of the encoder."""
        n = inputs["input_ids"].shape[0]
        encoded: Any = None
        scores = []
        for ids in self.class_ids:
            labels = torch.tensor([ids] * n, device=self.device)
            source = {"input_ids": inputs["input_ids"]} if encoded is None else {"encoder_outputs": encoded}
            out = self.model(**source, attention_mask=inputs["attention_mask"], labels=labels, use_cache=False)
            encoded = (out.encoder_last_hidden_state,)
            scores.append(out.logits.float().log_softmax(-1).gather(-1, labels.unsqueeze(-1)).sum((1, 2)))
        return torch.stack(scores, dim=1)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the context."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
