"""Which trials a sampler looks at: a bounded part of the study.

A proposal therefore costs no more after ten thousand trials than after some hundred. Everything
here depends only on the order in which trials ended, so it is the same after a restart of the
driver.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from deft_sweeps.study.optuna_study import PRIOR

MEASURED_STATES = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of ended trials that have measurements."""


class History:
    """Follows a study: returns each ended trial once, in the order in which trials ended."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._open: dict[int, FrozenTrial] = {}

    @property
    def running(self) -> tuple[FrozenTrial, ...]:
        """Trials that were running at the last call of `new_trials`."""
        return tuple(trial for trial in self._open.values() if trial.state == TrialState.RUNNING)

    def new_trials(self, study: Study) -> list[FrozenTrial]:
        """Returns the trials that ended since the last call."""
        trials = study.get_trials(deepcopy=False)
        recent = [trials[number] for number in self._open] + trials[self._n_seen :]
        self._n_seen = len(trials)
        self._open = {trial.number: trial for trial in recent if not trial.state.is_finished()}
        return sorted((trial for trial in recent if trial.state.is_finished()), key=_end_order)


class TrialWindow:
    """Selects the non-dominated trials that break no limit, and the latest trials.

    Args:
        n_latest: number of latest trials, complete and pruned, >= 1.
        n_front: maximum number of non-dominated trials, spread over the first objective, >= 2.
    """

    def __init__(self, n_latest: int, n_front: int) -> None:
        self._latest: deque[FrozenTrial] = deque(maxlen=n_latest)
        self._front: list[FrozenTrial] = []
        self._losses: np.ndarray | None = None
        self._n_front = n_front

    def add(self, study: Study, trials: Iterable[FrozenTrial]) -> None:
        """Adds trials in the order in which they ended."""
        maximised = [direction == StudyDirection.MAXIMIZE for direction in study.directions]
        signs = np.array([-1.0 if is_maximised else 1.0 for is_maximised in maximised])
        for trial in trials:
            if trial.state in MEASURED_STATES:
                self._latest.append(trial)
            is_feasible = all(violation <= 0 for violation in trial.constraints.values())
            if trial.state == TrialState.COMPLETE and is_feasible:
                self._update_front(trial, signs * np.array(trial.values))

    def trials(self) -> list[FrozenTrial]:
        """Returns the selected trials by number."""
        selected = {trial.number: trial for trial in (*self._latest, *self._spread())}
        return [selected[number] for number in sorted(selected)]

    def _update_front(self, trial: FrozenTrial, loss: np.ndarray) -> None:
        if self._losses is not None and len(self._losses):
            if np.any(np.all(self._losses <= loss, axis=1)):
                return
            remains = ~np.all(loss <= self._losses, axis=1)
            pairs = zip(self._front, remains, strict=True)
            self._front = [member for member, does_remain in pairs if does_remain]
            self._losses = np.vstack([self._losses[remains], loss])
        else:
            self._losses = loss[None]
        self._front.append(trial)

    def _spread(self) -> list[FrozenTrial]:
        """At most `n_front` members of the front, evenly spaced by rank in the first objective."""
        n = len(self._front)
        if self._losses is None or n <= self._n_front:
            return self._front
        order = np.argsort(self._losses[:, 0], kind="stable")
        places = (round(i * (n - 1) / (self._n_front - 1)) for i in range(self._n_front))
        return [self._front[order[place]] for place in places]


def study_of(
    trials: Iterable[FrozenTrial], directions: Sequence[StudyDirection], sampler: BaseSampler
) -> Study:
    """Makes a study in memory of copies of some trials, in the order of their numbers.

    A sampler that is to see only these trials is asked there. Copies have numbers of the new study
    and no user attributes, which samplers do not read.
    """
    study = optuna.create_study(directions=directions, sampler=sampler)
    study.add_trials(_copy(trial) for trial in sorted(trials, key=lambda trial: trial.number))
    return study


def _copy(trial: FrozenTrial) -> FrozenTrial:
    is_running = trial.state == TrialState.RUNNING
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=trial.distributions,
        # TPE and the Gaussian process note there what they drew for a running trial.
        system_attrs=trial.system_attrs if is_running else None,
        constraints=trial.constraints,
    )


def _end_order(trial: FrozenTrial) -> tuple[bool, float, int]:
    """Trials of earlier sweeps first, whenever they ended."""
    ended_at = trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0
    return PRIOR not in trial.user_attrs, ended_at, trial.number
