"""The model behind the sampler `front`: predicts every point of a configuration and values it.

It learns from the ends of trainings at every threshold, and from unfinished trainings as far as a
rung informs about the end. A candidate's value is what all of its points together add to the front,
since a trial is trained once and shipped at whichever threshold is best.
"""

from collections.abc import Sequence

import numpy as np

from deft_sweeps.sampler.front.acquisition import Acquisition
from deft_sweeps.sampler.front.array_type import Floats
from deft_sweeps.sampler.front.encoding import SpaceEncoding
from deft_sweeps.sampler.front.hyperparameter_fit import fit_hyperparameters
from deft_sweeps.sampler.front.kernel import Kernel
from deft_sweeps.sampler.front.metric_scale import from_model_scale
from deft_sweeps.sampler.front.observation import ObservedTraining, point_names
from deft_sweeps.sampler.front.posterior import GaussianProcess, condition
from deft_sweeps.sampler.front.regression_data import RegressionData
from deft_sweeps.sampler.front.search_goal import GoalTracker
from deft_sweeps.sampler.front.training_memory import TrainingMemory
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import modelled

MAX_ROWS, MAX_FITTED_ROWS = 480, 240
"""Maximum numbers of observations that the model is conditioned on, and that hyperparameters are
fitted to: the cost grows with their cube. A model that forgets where it has searched searches there
again; `benchmarks/README.md` has the comparison with 240 rows."""
REFIT_GROWTH = 1.2
"""Hyperparameters are fitted again when the number of trainings has grown by this factor."""
MIN_RELATIVE_GAIN = 0.3
"""A training is worth finishing if it is expected to gain, per remaining step, at least this share
of what the best candidate gains per step. The best of many expectations is too optimistic, the best
candidate changes after every trial, and the steps of a stopped training are lost.
`benchmarks/README.md` compares values from 0.1 to 1."""


class SurrogateModel:
    """Predicts and values candidates from the trainings that were added.

    The same trainings in the same order give the same model, whenever it is asked.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._names, self._n_thresholds = modelled(spec), len(point_names(spec))
        self.encoding = SpaceEncoding.of(spec)
        self.goals = GoalTracker(spec)
        self._memory = TrainingMemory(self.goals, self._n_thresholds)
        self._data = RegressionData(spec, self.encoding, self._memory)
        self._n_ended = self._n_finished = 0
        self._to_fit: tuple[ObservedTraining, ...] = ()
        self._kernels: tuple[Kernel, ...] = ()

    def add(self, training: ObservedTraining) -> None:
        """Adds a training that ended."""
        self._n_ended += 1
        self._n_finished += bool(training.final)
        self.goals.add(training)
        self._memory.add(training)
        self._data.forget_rung_models()
        if _last_refit(self._n_ended) == self._n_ended:
            self._to_fit = self._memory.trainings

    @property
    def n_ended(self) -> int:
        """Number of trainings that ended, those stopped early included."""
        return self._n_ended

    @property
    def n_finished(self) -> int:
        """Number of trainings that did all of their steps."""
        return self._n_finished

    def front_configurations(self) -> list[Start]:
        """Configurations that have a point on the front."""
        return self._memory.front_configurations()

    def acquisition(
        self,
        candidates: Sequence[Start],
        running: Sequence[ObservedTraining],
        rng: np.random.Generator,
        *,
        unfinished: Sequence[ObservedTraining] = (),
    ) -> Acquisition:
        """The acquisition over candidates.

        Args:
            candidates: configurations to value.
            running: trainings assumed to give their posterior means, given what they measured.
            rng: draws the samples.
            unfinished: trainings whose measurements count, without any assumption on their end.

        Raises:
            ValueError: no finished training was added yet.
        """
        if not self._n_finished:
            raise ValueError("the model needs at least one finished training")
        begun = [training for training in (*unfinished, *running) if training.observations]
        processes, observed = self._processes(begun), self._own_points()
        if running:
            processes, assumed = self._fantasize(processes, running)
            observed = np.concatenate([observed, assumed])
        inputs = self._data.final_inputs(candidates)
        posteriors = [process.posterior(inputs, self._n_thresholds) for process in processes]
        finite = observed[np.isfinite(observed).all(axis=1)]
        return Acquisition(self.goals.goal(), posteriors, finite, rng)

    def is_worth_finishing(
        self,
        training: ObservedTraining,
        candidates: Sequence[Start],
        running: Sequence[ObservedTraining],
        rng: np.random.Generator,
    ) -> bool:
        """Whether an unfinished training gains enough per remaining step, see MIN_RELATIVE_GAIN.

        Args:
            training: the unfinished training.
            candidates: configurations that it is compared with.
            running: other trainings under way.
            rng: draws the samples.
        """
        every = [training.configuration, *candidates]
        gains = self.acquisition(every, running, rng, unfinished=[training]).values
        remaining = 1.0 - training.step_share
        return bool(gains[0] >= MIN_RELATIVE_GAIN * remaining * gains[1:].max(initial=0.0))

    def _own_points(self) -> Floats:
        """Final points of this sweep's trainings, nan where not measured, shape (n, metrics)."""
        own = (training for training in self._memory.trainings if training.is_own)
        values = [point.values for training in own for point in training.final]
        return np.array(values, dtype=np.float64).reshape(-1, len(self._names))

    def _processes(self, unfinished: Sequence[ObservedTraining]) -> tuple[GaussianProcess, ...]:
        """The process of each metric, conditioned on ended and unfinished trainings."""
        if self._to_fit:
            rows = self._memory.select_rows(self._to_fit, MAX_FITTED_ROWS)
            groups, is_numeric = self.encoding.coordinate_groups, self.encoding.group_is_numeric
            data = (self._data.of_metric(i, rows) for i in range(len(self._names)))
            fits = (fit_hyperparameters(x, y, groups, is_numeric) for x, y in data)
            self._kernels, self._to_fit = tuple(Kernel(log, groups) for log in fits), ()
        rows = self._memory.select_rows([*self._memory.trainings, *unfinished], MAX_ROWS)
        return tuple(
            condition(kernel, *self._data.of_metric(i, rows))
            for i, kernel in enumerate(self._kernels)
        )

    def _fantasize(
        self, processes: Sequence[GaussianProcess], running: Sequence[ObservedTraining]
    ) -> tuple[tuple[GaussianProcess, ...], Floats]:
        """Processes as if running trainings had given their posterior means; and those points, in
        the metrics' units, shape (running trainings x T, metrics).
        """
        inputs = self._data.final_inputs([training.configuration for training in running])
        means = [p.posterior(inputs, self._n_thresholds).mean.reshape(-1) for p in processes]
        conditioned = tuple(
            process.condition_on_observations(inputs, mean)
            for process, mean in zip(processes, means, strict=True)
        )
        named = zip(self._names, means, strict=True)
        points = np.stack([from_model_scale(name, mean) for name, mean in named], axis=1)
        return conditioned, points


def _last_refit(n: int) -> int:
    """The largest of 1, 2, 3, ..., growing by REFIT_GROWTH, that is not above `n`."""
    refit = 1
    while (following := max(refit + 1, int(refit * REFIT_GROWTH))) <= n:
        refit = following
    return refit
