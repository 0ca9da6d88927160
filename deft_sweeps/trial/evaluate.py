"""Score and density of a model on held-out examples, measured together at each threshold."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from deft_sweeps.axes.activation.gate import Gates, thresholded, thresholded_by_block
from deft_sweeps.axes.decoding import GenerationMeter
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.config.axes import check
from deft_sweeps.result import DensityReading, Point
from deft_sweeps.task_metrics import score_all
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.predict import AnswerReader
from deft_sweeps.trial.train import loss_sum, n_targets


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Measures one model.

    Attributes:
        model: with the PEFT method attached; put into evaluation mode for as long as it is
            measured.
        batches: of the held-out split, in any order.
        order: for each row of the batches in turn, its place in the split.
        answers: reads the model's answers.
    """

    model: nn.Module
    gates: Gates
    batches: Sequence[Batch]
    order: Sequence[int]
    answers: AnswerReader
    device: torch.device

    def __post_init__(self) -> None:
        check(
            sorted(self.order) == list(range(len(self.order))) and len(self.order) > 0,
            "an order over all rows",
            len(self.order),
        )

    @torch.no_grad()
    def point(self, threshold: float) -> Point:
        """Score and density with gate entries at or below `threshold` zeroed."""
        return self._measure(threshold, DensityMeter(self.gates))

    def point_by_block(self, percentile: float, thresholds: tuple[float, ...]) -> Point:
        """Score and density with each block's own threshold, in running order, which zeroes
        `percentile` of its calibration entries.
        """
        with thresholded_by_block(self.gates, thresholds):
            point = self.point(0.0)
        return replace(
            point,
            threshold=sum(thresholds) / len(thresholds),
            percentile=percentile,
            block_thresholds=thresholds,
        )

    @torch.no_grad()
    def point_and_exact_density(self) -> tuple[Point, DensityReading]:
        """The point at threshold 0, and the paper-compatible count beside it: the gate in the
        base's own dtype.
        """
        meter = DensityMeter(self.gates, native=True)
        return self._measure(0.0, meter), meter.native_result()

    @torch.no_grad()
    def density(self, threshold: float) -> float:
        """The activation density alone, without asking for a single answer."""
        meter = DensityMeter(self.gates)
        with thresholded(self.gates, threshold), evaluating(self.model):
            for batch in self.batches:
                inputs, masks = model_inputs(batch, self.device)
                with meter.reading(masks):
                    self.model(**inputs)
        return meter.result().overall

    def _measure(self, threshold: float, meter: DensityMeter) -> Point:
        answers: list[Any] = []
        total, n_predicted, n_rows = 0.0, 0, 0
        writing = GenerationMeter(self.gates)
        with thresholded(self.gates, threshold), evaluating(self.model):
            float_saturation = any(at.gate.counts_saturation for at in self.gates)
            for batch in self.batches:
                inputs, masks = model_inputs(batch, self.device)
                with meter.reading(masks):
                    logits = self.model(**inputs).logits
                total += float(loss_sum(logits, batch))
                n_predicted += n_targets(batch)
                places = self.order[n_rows : n_rows + batch.input_ids.shape[0]]
                n_rows += len(places)
                answers += self.answers.of_batch(places, batch, inputs, logits, writing)
        data = self.answers.data
        predictions = self.answers.by_example(self.order, answers)
        scored = score_all(data.metrics, predictions, list(data.references[self.answers.split]))
        return Point(
            threshold=threshold,
            score=scored.score,
            loss=total / n_predicted,
            density=meter.result(),
            written_density=writing.result() if self.answers.writes else None,
            example_scores=scored.example_scores,
            outcomes=scored.outcomes,
            float_saturation=float_saturation,
        )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the context."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
