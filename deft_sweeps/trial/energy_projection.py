"""The projected energy of measured points, over the examples that they were measured on."""

from collections.abc import Sequence
from dataclasses import replace

from deft_sweeps.axes.energy import energy_ratio, work_of
from deft_sweeps.result import Point
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.build import TrialModel
from deft_sweeps.trial.evaluate import Evaluator


def with_energy(
    points: Sequence[Point], trial_model: TrialModel, evaluator: Evaluator
) -> tuple[Point, ...]:
    """The points with their energy ratio, for a mean example of those that the evaluator
    measures.
    """
    encoder, decoder = _tokens(evaluator)
    base = trial_model.base
    return tuple(
        replace(
            point,
            energy_ratio=energy_ratio(
                work_of(base.layout, point.density, base.sparsity, encoder, decoder)
            ),
        )
        for point in points
    )


def _tokens(evaluator: Evaluator) -> tuple[float, float]:
    """Mean numbers of real tokens that the encoder reads and the decoder writes."""
    sums = [0.0, 0.0]
    for batch in evaluator.batches:
        _, masks = model_inputs(batch, evaluator.device)
        for stack, mask in enumerate((masks.encoder, masks.decoder)):
            sums[stack] += 0.0 if mask is None else float(mask.sum())
    return sums[0] / len(evaluator.order), sums[1] / len(evaluator.order)
