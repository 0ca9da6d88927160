"""Compares an Optuna storage with a sweep's results; changes neither."""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from deft_sweeps.errors import StoreError
from deft_sweeps.result import TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store import database
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.optuna_study import TRIAL_ID
from deft_sweeps.study.storage import (
    is_own_file,
    open_storage,
    place,
    release,
    root_cause,
    study_name,
)
from deft_sweeps.study.study_mirror import LAYOUT, StudyMirror


@dataclass(frozen=True, slots=True)
class StudyDifferences:
    """How a mirrored study differs from the results; each trial by its trial_id.

    Attributes:
        damage: why the study cannot be read at all; empty if it can.
        missing: results that the study lacks.
        doubled: trials that it has more than once.
        surplus: trials without a result.
        different: trials whose state, values or parameters are not the result's.
    """

    damage: str = ""
    missing: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    different: tuple[str, ...] = ()


def study_differences(
    spec: SweepSpec, sweep: SweepDir, results: Mapping[str, TrialResult]
) -> StudyDifferences:
    """Compares the mirror of a sweep with its results.

    Args:
        spec: of the sweep.
        sweep: its folder.
        results: of the sweep by trial_id.

    Raises:
        StoreError: a database that sweeps share cannot be reached.
    """
    mirror = StudyMirror(sweep, spec)
    within_space = {t: r for t, r in results.items() if spec.locate(r.config) is not None}
    expected = {t: mirror.trial_of(result, {}) for t, result in within_space.items()}
    if is_own_file(spec) and not sweep.study_path.exists():
        return StudyDifferences(missing=tuple(expected))
    try:
        trials = _stored_trials(spec, sweep, mirror.layout())
    except (ValueError, LookupError, TypeError, AttributeError, sqlite3.Error) as error:
        return StudyDifferences(damage=short_reason(error))
    if trials is None:
        return StudyDifferences(missing=tuple(expected))
    stored = set(sweep.trial_ids())  # Also those that cannot be read now.
    counts = Counter(str(trial.user_attrs.get(TRIAL_ID)) for trial in trials)
    by_id = {str(trial.user_attrs.get(TRIAL_ID)): trial for trial in trials}
    return StudyDifferences(
        missing=tuple(t for t in expected if t not in counts),
        doubled=tuple(t for t, n in counts.items() if n > 1 and t in expected),
        surplus=tuple(t for t in counts if t not in expected and t not in stored),
        different=tuple(t for t, trial in expected.items() if _differs(by_id.get(t), trial)),
    )


def _stored_trials(spec: SweepSpec, sweep: SweepDir, layout: str) -> list[FrozenTrial] | None:
    """The trials in the storage; None if it has no such study.

    Raises:
        ValueError: the study is of another space; or what Optuna and SQLite raise of damage.
    """
    if is_own_file(spec):
        database.check(sweep.study_path)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(spec, sweep)
    try:
        name = study_name(spec, sweep)
        if name not in optuna.get_all_study_names(storage):
            return None
        study = optuna.load_study(study_name=name, storage=storage)
        if study.user_attrs.get(LAYOUT) != layout:
            raise ValueError("it is of another search space")
        return list(study.get_trials(deepcopy=False))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise
    except Exception as error:  # Each database raises its own.
        reason = root_cause(error)
        if is_own_file(spec) and database.is_damage(reason):
            raise ValueError(str(reason)) from error
        where = place(spec, sweep)
        raise StoreError(f"the Optuna study at {where}: {short_reason(reason)}") from None
    finally:
        release(storage)


def _differs(stored: FrozenTrial | None, expected: FrozenTrial) -> bool:
    """Whether a trial that the storage has is not the expected one."""
    if stored is None:
        return False
    same_attrs = expected.user_attrs.items() <= stored.user_attrs.items()
    if (stored.state, stored.params) != (expected.state, expected.params) or not same_attrs:
        return True
    if expected.state is not TrialState.COMPLETE:
        return False
    pairs = zip(stored.values, expected.values, strict=True)
    return not all(math.isclose(a, b, rel_tol=1e-9) for a, b in pairs)
