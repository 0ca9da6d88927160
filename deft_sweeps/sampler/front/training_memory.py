"""Which trainings, and which of their observations, the model learns from: a bounded number."""

from collections.abc import Sequence

import numpy as np

from deft_sweeps.sampler.front.observation import Observation, ObservedTraining
from deft_sweeps.sampler.front.search_goal import GoalTracker
from deft_sweeps.specification.combination import Start

MAX_REMEMBERED, N_REMEMBERED = 320, 240
"""Maximum number of remembered trainings, and how many remain when it is exceeded: half of them on
the front, the others the latest."""

Row = tuple[ObservedTraining, Observation]


class TrainingMemory:
    """Remembers trainings that ended, those on the front longer than others.

    Args:
        goals: has taken up each training before it is added here.
        n_thresholds: points of a trial.
    """

    def __init__(self, goals: GoalTracker, n_thresholds: int) -> None:
        self._goals, self._n_thresholds = goals, n_thresholds
        self._trainings: list[ObservedTraining] = []
        self._front_numbers: frozenset[int] | None = None

    @property
    def trainings(self) -> tuple[ObservedTraining, ...]:
        """Remembered trainings, in the order in which they ended."""
        return tuple(self._trainings)

    def add(self, training: ObservedTraining) -> None:
        """Remembers a training that ended."""
        self._trainings.append(training)
        self._front_numbers = None
        if len(self._trainings) > MAX_REMEMBERED:
            on_front, others = self._split(self._trainings)
            on_front = on_front[-N_REMEMBERED // 2 :]
            remembered = (*on_front, *others[len(on_front) - N_REMEMBERED :])
            numbers = {training.number for training in remembered}
            self._trainings = [t for t in self._trainings if t.number in numbers]
            self._front_numbers = None

    def front_configurations(self) -> list[Start]:
        """Configurations that have a point on the front."""
        return [training.configuration for training in self._split(self._trainings)[0]]

    def select_rows(self, trainings: Sequence[ObservedTraining], limit: int) -> list[Row]:
        """Selects the observations to learn from, at most `limit`.

        Those at the end of trainings come first, then the latest of unfinished trainings. If there
        are more than `limit`, half are of trainings on the front and the others the latest.

        Args:
            trainings: in the order in which they ended or began.
            limit: maximum number of observations.
        """
        latest = list(reversed(trainings))
        if sum(len(training.observations) for training in latest) > limit:
            on_front, others = self._split(latest)
            n_front = limit // (2 * self._n_thresholds)
            latest = [*on_front[:n_front], *others, *on_front[n_front:]]
        final: list[Row] = []
        unfinished: list[Row] = []
        for training in latest:
            rows = final if training.step_share == 1.0 else unfinished
            rows.extend((training, point) for point in training.latest)
        return [*final, *unfinished][:limit]

    def _split(
        self, trainings: Sequence[ObservedTraining]
    ) -> tuple[list[ObservedTraining], list[ObservedTraining]]:
        """Trainings that have a point on the front, and the others."""
        numbers = self._numbers_on_front()
        on_front = [training for training in trainings if training.number in numbers]
        others = [training for training in trainings if training.number not in numbers]
        return on_front, others

    def _numbers_on_front(self) -> frozenset[int]:
        if self._front_numbers is None:
            goal = self._goals.goal()
            points = [(t.number, point.values) for t in self._trainings for point in t.final]
            values = np.array([value for _, value in points], dtype=np.float64)
            values = values.reshape(-1, len(goal.names))
            usable = np.isfinite(values).all(axis=1) & goal.is_feasible(values)
            rows = np.flatnonzero(usable)
            on_front = rows[goal.is_non_dominated(values[rows])]
            self._front_numbers = frozenset(points[row][0] for row in on_front)
        return self._front_numbers
