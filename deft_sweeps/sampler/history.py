"""What a sampler looks at: a bounded part of the study, so that a proposal costs no more after ten thousand trials than after some hundred.

Everything here follows from the order in which the study was told, so it is the same however often the driver was started.
"""

from collections import deque
from collections.abc import Container, Iterable

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

TOLD = (TrialState.COMPLETE, TrialState.PRUNED)


class History:
    """Follows a study: each trial that ended is handed out once, in the order the study was told."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._open: dict[int, FrozenTrial] = {}

    @property
    def running(self) -> tuple[FrozenTrial, ...]:
        """Trials under way when `news` was last asked."""
        return tuple(trial for trial in self._open.values() if trial.state == TrialState.RUNNING)

    def news(self, study: Study) -> list[FrozenTrial]:
        """Trials that ended since the last call."""
        trials = study.get_trials(deepcopy=False)
        recent = [trials[number] for number in self._open] + trials[self._n_seen :]
        self._n_seen = len(trials)
        self._open = {trial.number: trial for trial in recent if not trial.state.is_finished()}
        return sorted((trial for trial in recent if trial.state.is_finished()), key=_told_at)


class Window:
    """The trials that no other dominates and the latest ones; a trial that breaks a limit is never among the former.

    Args:
        n_latest: trials told last that are kept, complete and pruned, >= 1.
        n_front: most of the non-dominated ones that are shown, spread over the first objective, >= 2.
    """

    def __init__(self, n_latest: int, n_front: int) -> None:
        self._latest: deque[FrozenTrial] = deque(maxlen=n_latest)
        self._front: list[FrozenTrial] = []
        self._losses: np.ndarray | None = None
        self._n_front = n_front

    def add(self, study: Study, trials: Iterable[FrozenTrial]) -> None:
        """Take up trials that ended, in their order."""
        signs = np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions])
        for trial in trials:
            if trial.state in TOLD:
                self._latest.append(trial)
            if trial.state == TrialState.COMPLETE and all(violation <= 0 for violation in trial.constraints.values()):
                self._contend(trial, signs * np.array(trial.values))

    def trials(self) -> list[FrozenTrial]:
        """The ended trials to look at, by their number."""
        shown = {trial.number: trial for trial in (*self._latest, *self._spread())}
        return [shown[number] for number in sorted(shown)]

    def _contend(self, trial: FrozenTrial, loss: np.ndarray) -> None:
        if self._losses is not None and len(self._losses):
            if np.any(np.all(self._losses <= loss, axis=1)):
                return
            stays = ~np.all(loss <= self._losses, axis=1)
            self._front = [kept for kept, stay in zip(self._front, stays, strict=True) if stay]
            self._losses = np.vstack([self._losses[stays], loss])
        else:
            self._losses = loss[None]
        self._front.append(trial)

    def _spread(self) -> list[FrozenTrial]:
        n = len(self._front)
        if self._losses is None or n <= self._n_front:
            return self._front
        order = np.argsort(self._losses[:, 0], kind="stable")
        return [self._front[order[round(i * (n - 1) / (self._n_front - 1))]] for i in range(self._n_front)]


class StudyView(Study):
    """A study that shows some of its trials; whatever is written goes to the study itself."""

    def __init__(self, study: Study, trials: Iterable[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._shown = list(trials)

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The shown trials in those states, all of them for None; never copied."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    def _get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False) -> list[FrozenTrial]:
        return self.get_trials(states=states)


def _told_at(trial: FrozenTrial) -> tuple[float, int]:
    return (trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0), trial.number
