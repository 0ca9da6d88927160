"""Latency and memory of trials as measured alone, once for all trials of a structure."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from deft_sweeps.config.axes import NoDensityLoss, NoSkipping, Training
from deft_sweeps.metrics import METRICS
from deft_sweeps.result import (
    CompleteTrial,
    FinalMeasurement,
    StructureCost,
    TrialResult,
    complete_trials,
)
from deft_sweeps.specification.deployment_setting import Deployment


def with_measured_costs(
    results: Sequence[TrialResult],
    costs: Sequence[StructureCost],
    deploy: Deployment | None = None,
) -> tuple[TrialResult, ...]:
    """The results with measured latency and memory in place of the proxies, where there are any.

    Args:
        results: of a sweep.
        costs: that were measured of it.
        deploy: the runtime, whose costs alone count: those of a trial whose structure was not
            measured in it are labelled `undeployed`.
    """
    costs = costs_in(deploy, costs)
    if not costs and deploy is None:
        return tuple(results)
    by_trial = {cost.trial_id: cost for cost in costs}
    by_structure = {
        deployed_structure(trial): by_trial[trial.trial_id]
        for trial in complete_trials(results)
        if trial.trial_id in by_trial
    }
    return tuple(_with_cost(result, by_structure, proxies=deploy is None) for result in results)


def with_structure_costs(
    measurements: Mapping[str, FinalMeasurement], results: Iterable[TrialResult]
) -> dict[str, FinalMeasurement]:
    """Selection measurements with the measured costs of their trials in place of proxies.

    Args:
        measurements: by the candidate's name.
        results: of the sweep, as `with_measured_costs` gives them.
    """
    costs = {trial.trial_id: trial.cost for trial in complete_trials(results)}
    return {
        name: replace(one, cost=costs.get(one.trial_id) or one.cost)
        if one.cost.label == "proxy"
        else one
        for name, one in measurements.items()
    }


def costs_in(
    deploy: Deployment | None, costs: Sequence[StructureCost]
) -> tuple[StructureCost, ...]:
    """The costs that were measured in a runtime; without one, those of the trials themselves."""
    wanted = ("", 0) if deploy is None else (deploy.runtime, deploy.batch)
    return tuple(cost for cost in costs if (cost.runtime, cost.batch) == wanted)


def unmeasured_structures(
    results: Iterable[TrialResult], costs: Sequence[StructureCost]
) -> list[CompleteTrial]:
    """One complete trial of each structure that has no measured cost yet, in the results' order."""
    complete = list(complete_trials(results))
    measured = {cost.trial_id for cost in costs}
    done = {deployed_structure(trial) for trial in complete if trial.trial_id in measured}
    first: dict[Hashable, CompleteTrial] = {}
    for trial in complete:
        first.setdefault(deployed_structure(trial), trial)
    return [trial for structure, trial in first.items() if structure not in done]


def needs_measured_costs(metrics: Iterable[str]) -> bool:
    """Whether a search has only proxies of one of the metrics."""
    return any(METRICS[name].proxy_in_search for name in metrics)


def deployed_structure(trial: CompleteTrial) -> Hashable:
    """What a trial shares with all trials that cost the same when they are deployed: everything but
    its seed and what changes trained values alone.

    Optimiser, dropout and density loss change no network. Removed blocks do.
    """
    scale: dict[str, Any] = {"alpha": 1, "rslora": False, "dropout": 0.0}
    peft: Any = trial.config.peft
    given = {field.name for field in fields(peft)}
    config = replace(
        trial.config,
        peft=replace(peft, **{name: value for name, value in scale.items() if name in given}),
        density=NoDensityLoss(),
        adaptive=NoSkipping(),
        training=Training(),
        base_dropout=0.0,
    )
    return config, trial.skipped


def _with_cost(
    result: TrialResult, by_structure: dict[Hashable, StructureCost], *, proxies: bool
) -> TrialResult:
    if not isinstance(result, CompleteTrial) or result.cost is None:
        return result
    cost = by_structure.get(deployed_structure(result))
    if cost is None:
        return result if proxies else replace(result, cost=replace(result.cost, label="undeployed"))
    alone = replace(
        result.cost,
        label="measured",
        latency_sec=cost.latency_sec,
        latency_high_sec=cost.latency_high_sec,
        peak_memory_bytes=cost.peak_memory_bytes,
        weight_bytes=cost.file_bytes or result.cost.weight_bytes,
    )
    return replace(result, cost=alone)
