"""Turns observations into inputs and targets of the Gaussian process.

A target is a metric at the end of a training. Where a training has not reached its end, the rung
model of that metric estimates it from the latest rung, with a variance.
"""

import math
from collections.abc import Sequence
from itertools import compress

import numpy as np

from deft_sweeps.sampler.front.array_type import Bools, Floats
from deft_sweeps.sampler.front.encoding import SpaceEncoding
from deft_sweeps.sampler.front.kernel import Inputs
from deft_sweeps.sampler.front.metric_scale import to_model_scale
from deft_sweeps.sampler.front.observation import ObservedTraining, point_names
from deft_sweeps.sampler.front.rung_model import RungModel, fit_rung_model
from deft_sweeps.sampler.front.training_memory import Row, TrainingMemory
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import modelled

MAX_RELATIVE_VARIANCE = 100.0
"""Targets estimated at a rung are left out if their variance exceeds this multiple of the variance
of the measured targets."""


class RegressionData:
    """Builds the inputs and targets of each metric.

    Args:
        spec: of the sweep.
        encoding: of its configurations.
        memory: trainings that the rung models are fitted to.
    """

    def __init__(self, spec: SweepSpec, encoding: SpaceEncoding, memory: TrainingMemory) -> None:
        self._names, self._encoding, self._memory = modelled(spec), encoding, memory
        self._n_thresholds = len(point_names(spec))
        self._eta = spec.stopping.eta if isinstance(spec.stopping, Halving) else Halving().eta
        self._rung_models: dict[tuple[int, int], RungModel | None] = {}

    def forget_rung_models(self) -> None:
        """Call after the memory has changed: rung models are fitted again when needed."""
        self._rung_models.clear()

    def of_metric(self, metric_index: int, rows: Sequence[Row]) -> tuple[Inputs, Floats]:
        """Inputs and targets of one metric; rows without a usable target are left out.

        Args:
            metric_index: index in `modelled(spec)`.
            rows: observations to learn from.

        Returns:
            Inputs of n rows, and targets on the scale of the model, shape (n,).
        """
        measured = np.array([point.values[metric_index] for _, point in rows])
        targets = to_model_scale(self._names[metric_index], measured)
        variances = np.zeros((2, len(rows)))
        for row, (_, point) in enumerate(rows):
            if point.step_share < 1.0:
                model = self._rung_model(metric_index, point.step_share)
                if model is None:
                    targets[row] = math.nan
                else:
                    targets[row] = model.predict_final(targets[row], point.threshold_index)
                    variances[:, row] = model.final_variances
        usable = _usable(targets, variances.sum(axis=0))
        inputs = self._inputs(list(compress(rows, usable)), *variances[:, usable])
        return inputs, targets[usable]

    def final_inputs(self, configurations: Sequence[Start]) -> Inputs:
        """Inputs at the end of a new training of each configuration, T rows for each."""
        n, n_thresholds = len(configurations), self._n_thresholds
        positions = np.arange(n_thresholds) / max(1, n_thresholds - 1)
        numbers = -1 - np.repeat(np.arange(n), n_thresholds)  # Negative: no observed training's.
        return Inputs(
            np.repeat(self._encoding.encode(configurations), n_thresholds, axis=0),
            np.tile(positions, n),
            numbers,
            *np.zeros((2, n * n_thresholds)),
        )

    def _inputs(
        self, rows: Sequence[Row], training_variance: Floats, point_variance: Floats
    ) -> Inputs:
        configurations = {training.number: training.configuration for training, _ in rows}
        places = {number: place for place, number in enumerate(configurations)}
        encoded = self._encoding.encode(configurations.values())
        thresholds = np.array([point.threshold_index for _, point in rows], dtype=float)
        return Inputs(
            encoded[[places[training.number] for training, _ in rows]],
            thresholds / max(1, self._n_thresholds - 1),
            np.array([training.number for training, _ in rows], dtype=np.int64),
            training_variance,
            point_variance,
        )

    def _level(self, step_share: float) -> int:
        """Index k of a rung at the share eta^-k of the steps. Steps are whole numbers, so shares
        differ slightly between trainings of different lengths.
        """
        return round(-math.log(step_share) / math.log(self._eta))

    def _rung_model(self, metric_index: int, step_share: float) -> RungModel | None:
        level = self._level(step_share)
        if (metric_index, level) not in self._rung_models:
            finished = [training for training in self._memory.trainings if training.final]
            rungs, finals = self._values_at(metric_index, level, finished)
            name = self._names[metric_index]
            model = fit_rung_model(to_model_scale(name, rungs), to_model_scale(name, finals))
            self._rung_models[metric_index, level] = model
        return self._rung_models[metric_index, level]

    def _values_at(
        self, metric_index: int, level: int, trainings: Sequence[ObservedTraining]
    ) -> tuple[Floats, Floats]:
        """A metric at one rung and at the end, nan if not measured, shape (trainings, T) each."""
        rungs, finals = np.full((2, len(trainings), self._n_thresholds), math.nan)
        for row, training in enumerate(trainings):
            for point in training.observations:
                if point.step_share == 1.0:
                    finals[row, point.threshold_index] = point.values[metric_index]
                elif self._level(point.step_share) == level:
                    rungs[row, point.threshold_index] = point.values[metric_index]
        return rungs, finals


def _usable(targets: Floats, variances: Floats) -> Bools:
    """Whether each target is finite and not too uncertain, shape (n,)."""
    finite: Bools = np.isfinite(targets)
    exact = targets[finite & (variances == 0)]
    limit = MAX_RELATIVE_VARIANCE * float(np.var(exact)) if len(exact) else 0.0
    usable: Bools = finite & (variances <= limit)
    return usable
