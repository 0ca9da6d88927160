"""Fronts of several sweeps side by side."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.findings.sweep_comparison import ComparedSweep, compare, incomparable
from deft_sweeps.front import hypervolume
from deft_sweeps.metrics import Direction
from deft_sweeps.result import CompleteTrial, TrialResult, complete_trials
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")


def entry(
    name: str, *values: tuple[float, float], objectives: tuple[str, ...] = OBJECTIVES
) -> ComparedSweep:
    results = tuple(
        result(point(0.0, s, d), weight=i + 1.0, finished_at=i) for i, (s, d) in enumerate(values)
    )
    return ComparedSweep(name, pareto_front(results, objectives), results)


A = entry("a", (0.9, 0.8), (0.7, 0.3))
B = entry("b", (0.8, 0.2), (0.6, 0.1))


def test_volumes_share_one_reference_and_the_joint_front_holds_what_nothing_dominates() -> None:
    comparison = compare([A, B])
    assert comparison.reference == {"score": 0.0, "activation_density": 1.0}
    directions: tuple[Direction, ...] = ("maximize", "minimize")
    assert comparison.hypervolumes["a"] == pytest.approx(
        hypervolume([(0.9, 0.8), (0.7, 0.3)], [0, 1], directions)
    )
    joint = [(0.9, 0.8), (0.7, 0.3), (0.8, 0.2), (0.6, 0.1)]
    assert comparison.hypervolumes[""] == pytest.approx(hypervolume(joint, [0, 1], directions))
    assert [m.values["score"] for m in comparison.survivors["a"]] == [0.9]
    assert [m.values["score"] for m in comparison.survivors["b"]] == [0.8, 0.6]


def test_scores_stand_side_by_side_where_every_sweep_has_one() -> None:
    levels = compare([A, B]).levels
    assert [(level.density, dict(level.scores)) for level in levels] == [
        (0.3, {"a": 0.7, "b": 0.8}),
        (0.8, {"a": 0.9, "b": 0.8}),
    ]


def test_an_objective_without_a_worst_value_gets_one_beyond_all_fronts() -> None:
    def sized(one: ComparedSweep, factor: int) -> ComparedSweep:
        results = tuple(
            replace(r, cost=replace(r.cost, weight_bytes=100 * (i + factor)))
            for i, r in enumerate(complete_trials(one.results))
            if r.cost
        )
        return ComparedSweep(one.name, pareto_front(results, ("score", "weight_bytes")), results)

    comparison = compare([sized(A, 3), sized(B, 1)])
    assert comparison.reference["weight_bytes"] > 300
    assert comparison.hypervolumes["a"] > 0
    assert comparison.levels == ()


def other_data(results: Sequence[TrialResult]) -> tuple[CompleteTrial, ...]:
    return tuple(
        replace(r, provenance=replace(r.provenance, dataset_fingerprint="other"))
        for r in complete_trials(results)
        if r.provenance
    )


def test_what_does_not_compare_is_refused_with_every_reason() -> None:
    assert incomparable([A, B]) == ()
    foreign = ComparedSweep("c", B.front, other_data(B.results))
    other = ComparedSweep(
        "d", pareto_front(B.results, ("score", "latency_sec")), other_data(B.results)
    )
    assert [reason.partition(":")[0] for reason in incomparable([A, foreign])] == [
        "the sweeps differ in their data (fingerprint)"
    ]
    reasons = incomparable([A, other, entry("empty")])
    reasons_told = [
        reason.partition(":")[0].removeprefix("the sweeps differ in ") for reason in reasons
    ]
    assert reasons_told[:2] == ["objectives", "the metric of their score"]
    assert reasons[-1] == "empty has no member on its front"
    with pytest.raises(ValueError, match="differ in their data"):
        compare([A, foreign])
