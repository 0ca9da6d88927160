"""Mirrors a sweep's results into an Optuna storage, for Optuna Dashboard and Optuna's functions.

The folder is the truth: the mirror may be deleted at any time, and is made again. A trial is known
by its trial_id, so mirroring twice does no harm.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, create_trial

from deft_sweeps.config.label import label
from deft_sweeps.errors import StoreError
from deft_sweeps.metrics import METRICS
from deft_sweeps.result import CompleteTrial, FailedTrial, TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.database import set_database_aside
from deft_sweeps.store.secrets import short_reason, without_secrets
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.axis_parameter import axis_parameters, parameters_of
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.optuna_study import SEED, STATES, TRIAL_ID, objectives
from deft_sweeps.study.storage import (
    MirrorStorage,
    is_own_file,
    open_storage,
    place,
    release,
    root_cause,
    study_name,
)

ON_FRONT = "on_front"
CHOSEN = "chosen"
"""User attributes of a trial, true or false, as of the last report."""
LAYOUT = "deft_sweeps"
"""User attribute of the study: changes when it has to be made anew."""


class StudyMirror:
    """One sweep's trials in an Optuna storage.

    Each setting of an axis that varies is a parameter, objectives have their names, and limits are
    constraints, judged against the baselines as they stood when the trial ended.

    Args:
        sweep: the folder to mirror.
        spec: of the sweep; says where the mirror is.
    """

    def __init__(self, sweep: SweepDir, spec: SweepSpec) -> None:
        self._sweep, self._spec = sweep, spec
        self._parameters = axis_parameters(spec)
        self._judge = LimitJudge(spec)
        self._storage: MirrorStorage | None = None
        self._study: Study | None = None
        self._mirrored: set[str] = set()

    @property
    def where(self) -> str:
        """The storage's address, without a password."""
        return place(self._spec, self._sweep)

    def catch_up(self, on_each: Callable[[int], None] = lambda _: None) -> int:
        """Mirrors every result that is stored and not mirrored; returns how many.

        Args:
            on_each: called after each with the number of results still to mirror.

        Raises:
            StoreError: the storage cannot be used; what was mirrored before stays.
        """
        is_first = self._study is None
        with self._plain_errors():
            self._open()
            stored = self._sweep.trial_ids()
            missing = [trial_id for trial_id in stored if trial_id not in self._mirrored]
            if not missing:
                return 0
            # All of them at first: limits are judged against what ended earlier.
            chosen = stored if is_first else missing
            results = sorted(map(self._sweep.result, chosen), key=lambda r: r.finished_at)
            n_left = len(missing)
            for result in results:
                if result.trial_id in self._mirrored:
                    self._judge.take(result)
                    continue
                self._add(result)
                n_left -= 1
                on_each(n_left)
        return len(missing)

    def add(self, result: TrialResult) -> bool:
        """Mirrors one result; returns whether that was still to do.

        Raises:
            StoreError: as `catch_up`.
        """
        if self._study is None:
            self.catch_up()
        if result.trial_id in self._mirrored:
            return False
        with self._plain_errors():
            self._add(result)
        return True

    def tag(self, on_front: Collection[str], chosen: str | None) -> None:
        """Marks the trials on the front, and the chosen one, by their trial_ids.

        Raises:
            StoreError: as `catch_up`.
        """
        self.catch_up()
        with self._plain_errors():
            if self._study is None or self._storage is None:
                return
            study_id = self._storage.get_study_id_from_name(self._study.study_name)
            for trial in self._study.get_trials(deepcopy=False):
                trial_id = trial.user_attrs[TRIAL_ID]
                tags = {ON_FRONT: trial_id in on_front, CHOSEN: trial_id == chosen}
                changed = {k: v for k, v in tags.items() if trial.user_attrs.get(k) != v}
                if changed:
                    number = trial.number
                    storage = self._storage
                    key = storage.get_trial_id_from_study_id_trial_number(study_id, number)
                    for name, value in changed.items():
                        storage.set_trial_user_attr(key, name, value)

    def rebuild(self) -> None:
        """Makes the mirror anew; a file in the folder is set aside.

        Raises:
            StoreError: as `catch_up`.
        """
        self.close()
        with self._plain_errors():
            if is_own_file(self._spec):
                set_database_aside(self._sweep.study_path)
            else:
                storage = open_storage(self._spec, self._sweep)
                name = study_name(self._spec, self._sweep)
                if name in optuna.get_all_study_names(storage):
                    optuna.delete_study(study_name=name, storage=storage)
                release(storage)
        self.catch_up()

    def close(self, *, interrupted: bool = False) -> None:
        """Closes the storage; the mirror says nothing about the driver."""
        if self._storage is not None:
            release(self._storage)
        self._storage = self._study = None

    def _open(self) -> None:
        """Opens the study.

        It is made anew if it is of another space, has a trial twice, or one without a result.
        """
        if self._study is not None:
            return
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._judge = LimitJudge(self._spec)
        name, layout = study_name(self._spec, self._sweep), self.layout()
        storage = open_storage(self._spec, self._sweep)
        try:
            study, mirrored = self._existing(storage, name, layout)
        except (ValueError, LookupError, TypeError, AttributeError):
            if not is_own_file(self._spec):
                raise
            # Optuna cannot read a value in it, and the results hold it all.
            release(storage)
            set_database_aside(self._sweep.study_path)
            storage = open_storage(self._spec, self._sweep)
            study, mirrored = None, set()
        self._storage, self._mirrored = storage, mirrored
        self._study = study or self._create(name, layout)

    def _existing(
        self, storage: MirrorStorage, name: str, layout: str
    ) -> tuple[Study | None, set[str]]:
        """The study of these results in the storage, and the trials that it has; none if it is to
        be made anew.
        """
        names = optuna.get_all_study_names(storage)
        if is_own_file(self._spec):
            for other in names:
                if other != name:
                    optuna.delete_study(study_name=other, storage=storage)
        if name not in names:
            return None, set()
        study = optuna.load_study(study_name=name, storage=storage)
        trials = study.get_trials(deepcopy=False)
        mirrored = {trial.user_attrs.get(TRIAL_ID) for trial in trials}
        # A trial that somebody deleted leaves a gap, and Optuna would give the next one its number.
        is_whole = [trial.number for trial in trials] == list(range(len(mirrored)))
        is_same = study.user_attrs.get(LAYOUT) == layout and is_whole
        if is_same and mirrored <= set(self._sweep.trial_ids()):
            return study, {trial_id for trial_id in mirrored if trial_id is not None}
        optuna.delete_study(study_name=name, storage=storage)
        return None, set()

    def _create(self, name: str, layout: str) -> Study:
        directions = [METRICS[metric].direction for metric in self._spec.objectives]
        storage = self._storage
        study = optuna.create_study(study_name=name, storage=storage, directions=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(self._spec.objectives))
        study.set_user_attr(LAYOUT, layout)
        return study

    def layout(self) -> str:
        """A digest of what the study's parameters, objectives and limits are."""
        parameters = {p.name: distribution_to_json(p.distribution) for p in self._parameters}
        limits = [str(limit) for limit in self._spec.search_limits]
        text = json.dumps([1, self._spec.objectives, parameters, limits], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _add(self, result: TrialResult) -> None:
        if self._study is not None and self._spec.locate(result.config) is not None:
            self._study.add_trial(self.trial_of(result, self._judge.add(result)))
        self._mirrored.add(result.trial_id)

    def trial_of(self, result: TrialResult, violations: dict[str, float]) -> FrozenTrial:
        """A result as the mirror has it."""
        params, distributions = parameters_of(self._parameters, result.config)
        user_attrs = {
            TRIAL_ID: result.trial_id,
            SEED: result.seed,
            "number": result.number,
            "label": label(result.config),
        }
        if isinstance(result, FailedTrial):
            user_attrs["error"] = without_secrets(result.error)
        values = objectives(self._spec, result) if isinstance(result, CompleteTrial) else None
        trial = create_trial(
            state=STATES[result.status],
            params=params,
            distributions=distributions,
            values=values,
            user_attrs=user_attrs,
            constraints=violations,
        )
        trial.datetime_start = datetime.fromtimestamp(result.started_at)
        trial.datetime_complete = datetime.fromtimestamp(result.finished_at)
        return trial

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Whatever Optuna and a database raise becomes one error without secrets.

        The storage is opened anew next time: a file that was damaged is then set aside.
        """
        try:
            yield
        except Exception as error:
            with suppress(Exception):
                self.close()
            self._storage = self._study = None
            if isinstance(error, StoreError):
                raise
            reason = short_reason(root_cause(error))
            raise StoreError(f"the Optuna study at {self.where}: {reason}") from None
