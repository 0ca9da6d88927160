"""The Optuna study of a sweep. It follows the store: whatever it lacks is told to it again, and a
lost one is rebuilt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from deft_sweeps.errors import StoreError
from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.result import CompleteTrial, PartialTraining, Status, TrialResult
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.buffered import Buffered, flush
from deft_sweeps.study.lease import Lease
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.parameters import distributions, fingerprint, params, start_of
from deft_sweeps.study.storage import FILE_STUDY

TRIAL_ID = "trial_id"
SEED = "seed"
POINTS = "points"
"""User attribute: `rows_of` the trial's result; while it runs, of what was measured so far."""
WHOLE = "whole"
"""User attribute of a trial that is never stopped early: somebody asked for this very point."""
VERDICTS = "verdicts"
"""User attribute: `[step, goes on]` of each rung that was decided about."""
MARGINS = "margins"
"""User attribute of a complete trial: by how much `surely` tightens each limit that has it there,
as `LimitJudge.margins` returns."""
PRIOR = "prior"
"""User attribute of a trial that an earlier sweep ran: its trial_id there. Such a trial has no
TRIAL_ID."""
ASKED = "asked"
"""User attribute of a trial that the sampler did not propose: `first`, `extra` or `random`."""
_SPACE = "space"

STATES: dict[Status, TrialState] = {
    "complete": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "stopped": TrialState.PRUNED,
}


def open_study(
    spec: SweepSpec,
    storage: str | BaseStorage,
    results: Sequence[TrialResult],
    *,
    name: str = FILE_STUDY,
    judge: LimitJudge | None = None,
    lease: Lease | None = None,
    every: bool = False,
) -> Study:
    """The study in `storage`, told of every result that this spec's space knows; buffered, so what
    changes later is written by `flush`.

    A study made for another space is dropped: results hold everything that it knew of finished
    trials. So is one that knows more than the results, or other limits, but for its trials that
    have not ended.

    Args:
        spec: of the sweep.
        storage: opened, or a URL.
        results: of the sweep, in the order in which they finished.
        name: of the study.
        judge: is shown every result of this space; None takes a new one.
        lease: is taken before anything is written; None where nobody else can drive the study.
        every: there are no results but these: a trial that has ended and left none, its file lost
            or deleted, runs again.

    Raises:
        StoreError: another driver has the study.
        StorageInternalError, OSError: it cannot be written.
    """
    storage = optuna.storages.get_storage(storage)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = {
        summary.study_name
        for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
    }
    if name in names:
        study = optuna.load_study(study_name=name, storage=storage)
        if lease is not None:
            lease.check(study)
        if study.user_attrs.get(_SPACE) != fingerprint(spec):
            optuna.delete_study(study_name=name, storage=storage)
            names.discard(name)
    if name not in names:
        _create(spec, storage, name)
    if lease is not None:
        lease.take(optuna.load_study(study_name=name, storage=storage))
    study = optuna.load_study(study_name=name, storage=Buffered(storage, name))
    open_: list[FrozenTrial] = []
    if every and _is_beside(study, spec, results):
        open_ = _left_open(study, spec, results)
        optuna.delete_study(study_name=name, storage=storage)
        _create(spec, storage, name)
        if lease is not None:
            lease.take(optuna.load_study(study_name=name, storage=storage))
        study = optuna.load_study(study_name=name, storage=Buffered(storage, name))
    _replay(study, spec, results, judge or LimitJudge(spec))
    study.add_trials(open_)
    flush(study)
    return study


def _create(spec: SweepSpec, storage: BaseStorage, name: str) -> None:
    directions = [METRICS[metric].direction for metric in spec.objectives]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    study.set_user_attr(_SPACE, fingerprint(spec))


def _is_beside(study: Study, spec: SweepSpec, results: Sequence[TrialResult]) -> bool:
    """Whether the study knows of a trial that ended and is no result of this space, or was told
    other limits than the spec's.
    """
    there = {result.trial_id for result in results if spec.locate(result.config) is not None}
    limits = {str(limit) for limit in spec.search_limits}
    trials = study.get_trials(deepcopy=False)
    told = (
        t
        for t in trials
        if t.state == TrialState.COMPLETE and (TRIAL_ID in t.user_attrs or PRIOR in t.user_attrs)
    )
    return any(t.user_attrs[TRIAL_ID] not in there for t in finished(study)) or any(
        set(t.constraints) != limits for t in told
    )


def _left_open(study: Study, spec: SweepSpec, results: Sequence[TrialResult]) -> list[FrozenTrial]:
    """Trials that wait, that are under way, and that have ended without a result: those are under
    way again, under their seed.
    """
    there = {result.trial_id for result in results}
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.WAITING:
            found.append(trial)
        elif TRIAL_ID in trial.user_attrs and trial.user_attrs[TRIAL_ID] not in there:
            config = spec.config(start_of(spec, trial.params))
            # Else what is fixed was something else then.
            if config.trial_id(trial.user_attrs[SEED]) == trial.user_attrs[TRIAL_ID]:
                kept = {
                    key: value
                    for key, value in trial.user_attrs.items()
                    if key in (TRIAL_ID, SEED, ASKED, WHOLE, VERDICTS)
                }
                found.append(
                    create_trial(
                        state=TrialState.RUNNING,
                        params=trial.params,
                        distributions=trial.distributions,
                        user_attrs=kept,
                    )
                )
    return found


def objectives(spec: SweepSpec, result: CompleteTrial) -> tuple[float, ...]:
    """The objectives of a complete trial at the threshold that the search compares at, every one
    finite.

    Raises:
        ValueError: one was not measured or is not finite.
    """
    try:
        metrics = measured(result.point_at(spec.evaluation.objective_threshold), result.cost)
    except KeyError as error:
        raise ValueError(
            f"not measured at the objective's threshold {spec.evaluation.objective_threshold:g}"
        ) from error
    missing = [name for name in spec.objectives if name not in metrics]
    if missing:
        raise ValueError(f"{', '.join(missing)} not measured or not finite")
    return tuple(metrics[name] for name in spec.objectives)


def modelled(spec: SweepSpec) -> tuple[str, ...]:
    """The metrics in `rows_of`: the objectives, then what limits are on; the score too, where one
    compares with a baseline.
    """
    scored = ("score",) if any(limit.bound.baseline for limit in spec.search_limits) else ()
    return tuple(
        dict.fromkeys((*spec.objectives, *(limit.metric for limit in spec.search_limits), *scored))
    )


def rows_of(spec: SweepSpec, result: TrialResult | PartialTraining) -> list[list[Any]]:
    """Everything that was measured of a trial, `[step, Point.at, value, ...]` a point, rising in
    steps: what a model that knows of rungs and thresholds learns from. A value is one of
    `modelled`, None where it was not measured.
    """
    points = [(rung.step, point) for rung in result.rungs for point in rung.points]
    cost = None
    if isinstance(result, CompleteTrial):
        points += [(result.config.training.steps, point) for point in result.points]
        cost = result.cost
    told = [(step, point.at, measured(point, cost)) for step, point in points]
    return [
        [step, at, *(metrics.get(name) for name in modelled(spec))] for step, at, metrics in told
    ]


def tell(
    study: Study,
    spec: SweepSpec,
    number: int,
    result: TrialResult,
    violations: Mapping[str, float] | None = None,
    margins: Mapping[str, float] | None = None,
) -> None:
    """Tell the study how its trial `number` ended; told twice, the second is ignored.

    Args:
        study: of the sweep.
        spec: of the sweep.
        number: of the study's trial.
        result: what it gave.
        violations: by how much the trial breaks each limit, as `LimitJudge.add` returns.
        margins: by how much `surely` tightens the limits there.
    """
    values = objectives(spec, result) if isinstance(result, CompleteTrial) else None
    trial = live(study, number)
    if trial is not None:
        trial.set_user_attr(POINTS, rows_of(spec, result))
        if margins:
            trial.set_user_attr(MARGINS, dict(margins))
        known = trial.constraints
        for limit, violation in (violations or {}).items():
            if limit not in known:  # Optuna takes a constraint once.
                trial.set_constraint(limit, violation)
    study.tell(number, values, state=STATES[result.status], skip_if_finished=True)


def live(study: Study, number: int) -> Trial | None:
    """The study's trial `number` as something that can be written to; None where it has ended."""
    frozen = study.get_trials(deepcopy=False)[number]
    return None if frozen.state.is_finished() else Trial(study, frozen._trial_id)


def finished(study: Study) -> tuple[FrozenTrial, ...]:
    """The study's trials that stand for a stored result."""
    return tuple(
        t
        for t in study.get_trials(deepcopy=False)
        if t.state.is_finished() and TRIAL_ID in t.user_attrs
    )


def unfinished(study: Study) -> tuple[FrozenTrial, ...]:
    """Trials that a driver began and did not live to see the end of."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return tuple(t for t in running if TRIAL_ID in t.user_attrs)


def enqueue(
    study: Study,
    spec: SweepSpec,
    starts: Iterable[Start],
    *,
    again: bool = False,
    whole: bool = True,
) -> None:
    """Have the study propose these points next, in their order; one that a trial of this sweep
    already has is left out unless `again`. They run to their end, unless not `whole`. Points asked
    for `again` with which an earlier driver was killed still wait, and each stands for one of
    these.
    """
    mine = [trial for trial in study.get_trials(deepcopy=False) if PRIOR not in trial.user_attrs]
    known = [trial.system_attrs.get("fixed_params", trial.params) for trial in mine]
    waiting = [trial.system_attrs.get("fixed_params") for trial in _extra(study)]
    for start in starts:
        kept = params(spec, start)
        if again and kept in waiting:
            waiting.remove(kept)
        elif again or kept not in known:
            attrs: dict[str, Any] = {ASKED: "extra" if again else "first"} | (
                {WHOLE: True} if whole else {}
            )
            study.enqueue_trial(kept, user_attrs=attrs)
            known.append(kept)


def begin_extra(study: Study) -> Trial | None:
    """The first point that was enqueued `again` and that no driver has begun, before all that wait;
    None where there is none.
    """
    for frozen in _extra(study):
        return _begun(study, frozen)
    return None


def begin(study: Study, spec: SweepSpec, start: Start) -> Trial:
    """A trial at this point, before all that wait; one that waits for the same point is taken."""
    kept = params(spec, start)
    for _ in range(2):
        for frozen in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if frozen.system_attrs.get("fixed_params") == kept:
                return _begun(study, frozen)
        study.enqueue_trial(kept, user_attrs={WHOLE: True})
    raise StoreError(f"the study {study.study_name} does not keep a point that was given to it")


def _extra(study: Study) -> list[FrozenTrial]:
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return [trial for trial in waiting if trial.user_attrs.get(ASKED) == "extra"]


def _begun(study: Study, frozen: FrozenTrial) -> Trial:
    study._storage.set_trial_state_values(frozen._trial_id, state=TrialState.RUNNING)
    return Trial(study, frozen._trial_id)


def _replay(
    study: Study, spec: SweepSpec, results: Sequence[TrialResult], judge: LimitJudge
) -> None:
    trials = study.get_trials(deepcopy=False)
    known = {t.user_attrs[TRIAL_ID]: t for t in trials if TRIAL_ID in t.user_attrs}
    for result in results:
        start = spec.locate(result.config)
        if start is None:
            continue
        violations, margins = judge.add(result), judge.margins(result)
        trial = known.get(result.trial_id)
        if trial is None:
            study.add_trial(told(spec, start, result, violations, margins))
        elif not trial.state.is_finished():
            tell(study, spec, trial.number, result, violations, margins)
    for trial in trials:
        # The driver ended between asking for a proposal and naming it: nothing of it ever ran.
        if trial.state == TrialState.RUNNING and TRIAL_ID not in trial.user_attrs:
            study.tell(trial.number, state=TrialState.FAIL)


def told(
    spec: SweepSpec,
    start: Start,
    result: TrialResult,
    violations: Mapping[str, float],
    margins: Mapping[str, float],
    name: str = TRIAL_ID,
) -> FrozenTrial:
    """A trial that has ended, as the study knows it; `name` is the user attribute that holds its
    trial_id.
    """
    kept, every = params(spec, start), distributions(spec)
    return create_trial(
        state=STATES[result.status],
        params=kept,
        distributions={key: every[key] for key in kept},
        values=objectives(spec, result) if isinstance(result, CompleteTrial) else None,
        user_attrs={name: result.trial_id, SEED: result.seed, POINTS: rows_of(spec, result)}
        | ({MARGINS: dict(margins)} if margins else {}),
        constraints=dict(violations),
    )
