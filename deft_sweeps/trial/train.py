"""The training loop's one step: task loss plus density loss, over micro-batches that add up to the
whole batch exactly.
"""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deft_sweeps.axes.density_probe import DensityProbe, GateReadings
from deft_sweeps.axes.peft.rank_allocation import RankAllocation
from deft_sweeps.config.axes import Training
from deft_sweeps.errors import TrialError
from deft_sweeps.result import StepMetrics
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.block_gate_training import BlockGateTraining


def learning_rate(step: int, training: Training) -> float:
    """Rate of step `step` (0 to steps - 1): rises linearly over the warm-up, then falls linearly to
    zero after the last step.
    """
    warmup = math.ceil(training.warmup_share * training.steps)
    if step < warmup:
        return training.learning_rate * (step + 1) / warmup
    return training.learning_rate * (training.steps - step) / max(1, training.steps - warmup)


def task_loss_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over real label tokens of the negative log-likelihood, in nats, in float32.

    Args:
        logits: (batch, tokens, vocabulary).
        labels: (batch, tokens), -100 where nothing is to be predicted.
    """
    return functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
    )


def loss_sum(logits: Tensor, batch: Batch) -> Tensor:
    """What training minimises, summed over the batch's targets, in float32: see `n_targets`.

    Of label tokens and of classes the negative log-likelihood in nats, of numbers the squared
    error, of a span the mean of the negative log-likelihoods of its start and its end.

    Args:
        logits: (batch, tokens, vocabulary); from a head (batch, outputs), or (batch, tokens, 2) of
            a span.
        batch: that they are of.

    Raises:
        ValueError: the batch has no target.
    """
    if batch.labels is not None:
        return task_loss_sum(logits, batch.labels.to(logits.device))
    logits = logits.float()
    if batch.start is not None and batch.end is not None:
        ends = (batch.start.to(logits.device), batch.end.to(logits.device))
        return (
            sum(
                (
                    functional.cross_entropy(logits[..., i], at, reduction="sum")
                    for i, at in enumerate(ends)
                ),
                logits.new_zeros(()),
            )
            / 2
        )
    if batch.label is None:
        raise ValueError("expected a batch with something to predict, got one without")
    label = batch.label.to(logits.device)
    if label.is_floating_point():
        return (logits[:, 0] - label).square().sum()
    return functional.cross_entropy(logits, label, reduction="sum")


def n_targets(batch: Batch) -> int:
    """Label tokens of the batch where a text is to be written, else its rows."""
    return batch.input_ids.shape[0] if batch.labels is None else int((batch.labels != -100).sum())


@dataclass(frozen=True, slots=True)
class StepTrainer:
    """What one trial's steps need; a context, inside which the probe reads the gates.

    Attributes:
        model: with the PEFT method attached.
        probe: on the model's gates; None for plain PEFT, which then pays nothing for it.
        optimizer: over `parameters`.
        block_gate_training: of the block gates; None where there are none.
        allocation: of a method that has more to do than the gradient step; its penalty is part of
            no reported loss.
    """

    model: nn.Module
    parameters: tuple[nn.Parameter, ...]
    optimizer: torch.optim.Optimizer
    probe: DensityProbe | None
    training: Training
    device: torch.device
    block_gate_training: BlockGateTraining | None = None
    allocation: RankAllocation | None = None

    def __enter__(self) -> "StepTrainer":
        if self.probe is not None:
            self.probe.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self.probe is not None:
            self.probe.__exit__(*error)

    def step(self, number: int, micro_batches: Sequence[Batch]) -> StepMetrics:
        """One optimiser step, the `number`-th from 0.

        Raises:
            TrialError: loss or gradient is not finite.
        """
        rate = learning_rate(number, self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        n_predicted = sum(n_targets(batch) for batch in micro_batches)
        n_examples = sum(batch.input_ids.shape[0] for batch in micro_batches)
        task_loss = density_loss = 0.0
        if self.probe is not None:
            self.probe.schedule(number, self.training.steps)
        for batch in micro_batches:
            task, density = self._backward(batch, n_predicted, n_examples)
            task_loss += task
            density_loss += density
        if self.allocation is not None:
            self.allocation.penalty().backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.training.max_grad_norm))
        if not math.isfinite(task_loss + density_loss + norm):
            raise TrialError(
                f"not finite at step {number + 1}: task loss {task_loss:g}, density loss"
                f" {density_loss:g}, gradient norm {norm:g}"
            )
        self.optimizer.step()
        if self.block_gate_training is not None:
            self.block_gate_training.step(number)
        if self.allocation is not None:
            self.allocation.after_step(number + 1)
        return StepMetrics(
            step=number + 1,
            task_loss=task_loss,
            density_loss=density_loss,
            grad_norm=norm,
            learning_rate=rate,
        )

    def _backward(self, batch: Batch, n_predicted: int, n_examples: int) -> tuple[float, float]:
        """Add this micro-batch's gradients; its shares of the losses. What its graph holds is gone
        before the next one is read.
        """
        task, density = self._losses(batch, n_predicted, n_examples)
        loss = task if density is None or self.probe is None else task + self.probe.weight * density
        loss.backward()  # type: ignore[no-untyped-call]
        return task.item(), 0.0 if density is None else density.item()

    def _losses(
        self, batch: Batch, n_predicted: int, n_examples: int
    ) -> tuple[Tensor, Tensor | None]:
        """This micro-batch's share of the whole batch's mean task loss over its targets and
        sample-mean density loss.
        """
        inputs, masks = model_inputs(batch, self.device)
        reading: GateReadings | None
        with self.probe.reading(masks) if self.probe is not None else nullcontext() as reading:
            logits = self.model(**inputs).logits
        task = loss_sum(logits, batch) / n_predicted
        if reading is None or self.probe is None:
            return task, None
        return task, self.probe.value(reading) * (batch.input_ids.shape[0] / n_examples)
