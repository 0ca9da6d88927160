"""The activation density of a bundle's model in torch, as a trial's density is counted."""

from collections.abc import Sequence

import torch

from deft_sweeps.axes.activation.gate import Gates
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.tasks.batches import collate
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.prepare import Plan, columns
from deft_sweeps.trial.base import model_inputs


@torch.inference_mode()
def activation_density(
    model: torch.nn.Module,
    gates: Gates,
    plan: Plan,
    examples: Sequence[Example],
    *,
    pad_id: int,
    batch_size: int,
) -> float:
    """Share of gate entries that are not zero, at the thresholds that the gates apply.

    Teacher-forced on the examples' own answers. Mean over examples, then over the MLP blocks of
    both stacks; lower is sparser.

    Args:
        model: in evaluation mode.
        gates: of the model.
        plan: how examples become the model's inputs.
        examples: with their answers, one at least.
        pad_id: of the input.
        batch_size: rows that are computed at a time.

    Returns:
        In [0, 1].
    """
    made = columns(plan, examples, 0, evaluated=True)
    rows = [dict(zip(made, row, strict=True)) for row in zip(*made.values(), strict=True)]
    rows.sort(key=lambda row: len(row["input_ids"]))
    meter, device = DensityMeter(gates), next(model.parameters()).device
    for start in range(0, len(rows), batch_size):
        batch = collate(rows[start : start + batch_size], plan.class_ids, pad_id)
        inputs, masks = model_inputs(batch, device)
        with meter.reading(masks):
            model(**inputs)
    return meter.result().overall
