"""What a trial of a sweep is as a trial of Optuna: values, user attributes and constraints."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from deft_sweeps.metrics import measured
from deft_sweeps.result import CompleteTrial, PartialTraining, Status, TrialResult
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import params, suggest

TRIAL_ID = "trial_id"
SEED = "seed"
POINTS = "points"
"""User attribute: `rows_of` the trial's result, or of its measurements so far if it is running."""
MARGINS = "margins"
"""User attribute of a complete trial: by how much `surely` tightens each limit that has it there,
as `LimitJudge.margins` returns."""
PRIOR = "prior"
"""User attribute of a trial that an earlier sweep ran: its trial_id there. Such a trial has no
TRIAL_ID."""

STATES: dict[Status, TrialState] = {
    "complete": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "stopped": TrialState.PRUNED,
}


def objectives(spec: SweepSpec, result: CompleteTrial) -> tuple[float, ...]:
    """The objectives of a complete trial at the threshold that the search compares at, all finite.

    Raises:
        ValueError: one was not measured or is not finite.
    """
    threshold = spec.evaluation.objective_threshold
    try:
        metrics = measured(result.point_at(threshold), result.cost)
    except KeyError as error:
        where = f"not measured at the objective's threshold {threshold:g}"
        raise ValueError(where) from error
    missing = [name for name in spec.objectives if name not in metrics]
    if missing:
        raise ValueError(f"{', '.join(missing)} not measured or not finite")
    return tuple(metrics[name] for name in spec.objectives)


def modelled(spec: SweepSpec) -> tuple[str, ...]:
    """The metrics in `rows_of`: the objectives, then those with limits.

    The score too, if a limit compares with a baseline.
    """
    has_baseline = any(limit.bound.baseline for limit in spec.search_limits)
    limited = (limit.metric for limit in spec.search_limits)
    scored = ("score",) if has_baseline else ()
    return tuple(dict.fromkeys((*spec.objectives, *limited, *scored)))


def rows_of(spec: SweepSpec, result: TrialResult | PartialTraining) -> list[list[Any]]:
    """All measurements of a trial, a row `[step, Point.at, value, ...]` each, rising in steps.

    A model that knows of rungs and thresholds learns from them. A value is one of `modelled`, None
    if it was not measured.
    """
    points = [(rung.step, point) for rung in result.rungs for point in rung.points]
    cost = None
    if isinstance(result, CompleteTrial):
        points += [(result.config.training.steps, point) for point in result.points]
        cost = result.cost
    rows = [(step, point.at, measured(point, cost)) for step, point in points]
    names = modelled(spec)
    return [[step, at, *(metrics.get(name) for name in names)] for step, at, metrics in rows]


def tell(
    study: Study,
    spec: SweepSpec,
    trial: Trial,
    result: TrialResult,
    violations: Mapping[str, float] | None = None,
    margins: Mapping[str, float] | None = None,
) -> None:
    """Tells a study how a running trial ended.

    Args:
        study: of the trial.
        spec: of the sweep.
        trial: that ended.
        result: what it gave.
        violations: by how much the trial breaks each limit, as `LimitJudge.add` returns.
        margins: by how much `surely` tightens the limits there.
    """
    values = objectives(spec, result) if isinstance(result, CompleteTrial) else None
    trial.set_user_attr(POINTS, rows_of(spec, result))
    if margins:
        trial.set_user_attr(MARGINS, dict(margins))
    for limit, violation in (violations or {}).items():
        trial.set_constraint(limit, violation)
    study.tell(trial, values, state=STATES[result.status])


def ask_at(study: Study, spec: SweepSpec, start: Start, **user_attrs: Any) -> Trial:
    """A running trial at a given point; the sampler is not asked."""
    study.enqueue_trial(params(spec, start), user_attrs=user_attrs)
    trial = study.ask()
    suggest(trial, spec)
    return trial


def ended_trial(
    spec: SweepSpec,
    every: Mapping[str, BaseDistribution],
    start: Start,
    result: TrialResult,
    violations: Mapping[str, float],
    margins: Mapping[str, float],
    id_attr: str = TRIAL_ID,
) -> FrozenTrial:
    """A trial that has ended, to be added to a study.

    Args:
        spec: of the sweep.
        every: `distributions(spec)`.
        start: point of the trial.
        result: what it gave.
        violations: by how much the trial breaks each limit.
        margins: by how much `surely` tightens the limits there.
        id_attr: user attribute that holds its trial_id.
    """
    parameters = params(spec, start)
    user_attrs = {id_attr: result.trial_id, SEED: result.seed, POINTS: rows_of(spec, result)}
    return create_trial(
        state=STATES[result.status],
        params=parameters,
        distributions={name: every[name] for name in parameters},
        values=objectives(spec, result) if isinstance(result, CompleteTrial) else None,
        user_attrs=user_attrs | ({MARGINS: dict(margins)} if margins else {}),
        constraints=dict(violations),
    )


def finished(study: Study) -> tuple[FrozenTrial, ...]:
    """The trials of a study that stand for a stored result."""
    trials = study.get_trials(deepcopy=False)
    return tuple(t for t in trials if t.state.is_finished() and TRIAL_ID in t.user_attrs)
