"""A study in memory in front of the storage that keeps it.

Optuna writes a proposal in a dozen transactions, each of which costs milliseconds and a flush to
the disk, and asks the storage for every trial again before it proposes. A study here has one
writer, the driver that holds its lease: so all of it is in memory, and what changed is written in
one go where it must outlive the driver, before a proposal runs and after a trial is told.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import Any

from optuna._typing import JSONSerializable
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_MADE = "deft_sweeps:made"
"""System attribute: a name of its own that a trial gets in memory, by which two copies of it are
known for one."""


class Buffered(InMemoryStorage):
    """One study: trials are read from memory and written by `flush`; the study's own attributes,
    the lease among them, go straight through.

    Args:
        behind: what keeps it.
        name: of the study there.
    """

    def __init__(self, behind: BaseStorage, name: str) -> None:
        super().__init__()
        self._behind, self._behind_id = behind, behind.get_study_id_from_name(name)
        own = super().create_new_study(behind.get_study_directions(self._behind_id), name)
        for key, value in behind.get_study_system_attrs(self._behind_id).items():
            super().set_study_system_attr(own, key, value)
        self._written: dict[int, tuple[int, FrozenTrial]] = {}
        self._changed: set[int] = set()
        for trial in _once(behind.get_all_trials(self._behind_id, deepcopy=False)):
            self._written[super().create_new_trial(own, trial)] = trial._trial_id, _kept(trial)

    def flush(self) -> None:
        """Write what changed, trial by trial in their order; what is not written when this raises
        is written by the next one.

        Raises:
            StorageInternalError, OSError: the storage behind cannot be written.
        """
        for trial_id in sorted(self._changed):
            trial = self.get_trial(trial_id)
            if trial_id in self._written:
                behind_id, before = self._written[trial_id]
                # It was written, only the answer was lost.
                with suppress(UpdateFinishedTrialError):
                    self._update(behind_id, before, trial)
            else:
                behind_id = self._behind.create_new_trial(self._behind_id, template_trial=trial)
            self._written[trial_id] = behind_id, _kept(trial)
            self._changed.discard(trial_id)

    def _update(self, behind_id: int, before: FrozenTrial, now: FrozenTrial) -> None:
        for name, distribution in now.distributions.items():
            if name not in before.distributions:
                self._behind.set_trial_param(
                    behind_id, name, distribution.to_internal_repr(now.params[name]), distribution
                )
        for key, value in now.user_attrs.items():
            if key not in before.user_attrs or before.user_attrs[key] != value:
                self._behind.set_trial_user_attr(behind_id, key, value)
        for key, value in now.system_attrs.items():
            if key not in before.system_attrs or before.system_attrs[key] != value:
                self._behind.set_trial_system_attr(behind_id, key, value)
        if now.state != before.state:
            self._behind.set_trial_state_values(behind_id, now.state, now.values)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if template_trial is None:
            trial_id = super().create_new_trial(study_id)
            super().set_trial_system_attr(trial_id, _MADE, secrets.token_hex(4))
        else:
            named = _kept(template_trial)
            named.system_attrs[_MADE] = secrets.token_hex(4)
            trial_id = super().create_new_trial(study_id, named)
        self._changed.add(trial_id)
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        self._changed.add(trial_id)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        self._changed.add(trial_id)
        return changed

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self._changed.add(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: JSONSerializable) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        self._changed.add(trial_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._behind.set_study_user_attr(self._behind_id, key, value)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._behind.get_study_user_attrs(self._behind_id)

    def set_study_system_attr(self, study_id: int, key: str, value: JSONSerializable) -> None:
        self._behind.set_study_system_attr(self._behind_id, key, value)
        super().set_study_system_attr(study_id, key, value)

    def remove_session(self) -> None:
        self._behind.remove_session()


def _once(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Without those that were made twice because the storage did not answer: the last one is the
    one that was written on.
    """
    last = {trial.system_attrs.get(_MADE, trial.number): trial for trial in trials}
    return sorted(last.values(), key=lambda trial: trial.number)


def _kept(trial: FrozenTrial) -> FrozenTrial:
    """As it is now: a Trial that Optuna hands out changes the dictionaries that it was made
    from.
    """
    kept = copy(trial)
    kept.distributions = dict(trial.distributions)
    kept.user_attrs, kept.system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
    return kept


def flush(study: Study) -> None:
    """Write what changed in a study that is buffered.

    Raises:
        StorageInternalError, OSError: as `Buffered.flush`.
    """
    if isinstance(study._storage, Buffered):
        study._storage.flush()
