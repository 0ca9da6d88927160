"""Costs measured alone stand in for the proxies of every trial of a structure."""

from dataclasses import replace
from pathlib import Path

from deft_sweeps.findings import Findings
from deft_sweeps.findings.measured_cost import (
    unmeasured_structures,
    with_measured_costs,
    with_structure_costs,
)
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.result import (
    CompleteTrial,
    FinalMeasurement,
    StructureCost,
    complete_trials,
)
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.store.cost_record import CostRecord
from tests.made_sweep import PROVENANCE
from tests.samples import point, result

PLAIN = result(point(0.0, 0.80, 0.9))
DEFT = result(point(0.0, 0.79, 0.3), weight=1.0)
OBJECTIVES = ("score", "activation_density")


def proxy(trial: CompleteTrial, latency_sec: float) -> CompleteTrial:
    assert trial.cost is not None
    return replace(trial, cost=replace(trial.cost, label="proxy", latency_sec=latency_sec))


ALONE = StructureCost(
    trial_id=PLAIN.trial_id,
    latency_sec=0.08,
    latency_high_sec=0.09,
    peak_memory_bytes=1000,
    provenance=PROVENANCE,
)
PROXIES = (proxy(PLAIN, 0.122), proxy(DEFT, 0.321))


def test_all_trials_of_a_structure_cost_the_same() -> None:
    trials = list(complete_trials(with_measured_costs(PROXIES, [ALONE])))
    costs = [trial.cost for trial in trials if trial.cost is not None]
    assert [(c.label, c.latency_sec, c.peak_memory_bytes) for c in costs] == [
        ("measured", 0.08, 1000),
        ("measured", 0.08, 1000),
    ]


def test_one_trial_of_each_structure_is_to_be_measured() -> None:
    assert unmeasured_structures(PROXIES, []) == [PROXIES[0]]
    assert unmeasured_structures(PROXIES, [ALONE]) == []


def test_a_limit_is_judged_by_what_was_measured_alone() -> None:
    limit = parse_constraint("latency_sec <= 100 ms")
    policy = parse_policy("best activation_density")
    by_proxy = Findings(PROXIES, OBJECTIVES, (limit,), policy)
    assert by_proxy.choice.member is None
    alone = Findings(with_measured_costs(PROXIES, [ALONE]), OBJECTIVES, (limit,), policy)
    assert alone.choice.member is not None
    assert alone.choice.member.result.trial_id == DEFT.trial_id
    assert alone.choice.awaiting == {}


def test_a_selection_measurement_takes_the_measured_cost_of_its_structure() -> None:
    (proxy_cost,) = {trial.cost for trial in PROXIES[1:]}
    assert proxy_cost is not None
    scored = FinalMeasurement(
        role="candidate",
        trial_id=DEFT.trial_id,
        point=DEFT.points[0],
        cost=proxy_cost,
        provenance=PROVENANCE,
    )
    before = with_structure_costs({"one": scored}, PROXIES)["one"]
    after = with_structure_costs({"one": scored}, with_measured_costs(PROXIES, [ALONE]))["one"]
    assert (before.cost.label, before.cost.latency_sec) == ("proxy", 0.321)
    assert (after.cost.label, after.cost.latency_sec) == ("measured", 0.08)


def test_costs_are_stored_and_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    record = CostRecord(tmp_path)
    assert record.costs() == ()
    record.write(ALONE)
    assert record.costs() == (ALONE,)
    (tmp_path / "costs" / f"{ALONE.trial_id}.json").write_text("{")
    assert record.costs() == ()


def test_only_costs_of_the_runtime_count_where_one_is_named() -> None:
    onnx = replace(ALONE, runtime="onnx", batch=8, latency_sec=0.02, file_bytes=77)
    deploy = Deployment("onnx", 8)
    for costs in ([ALONE], [replace(onnx, batch=1)], []):
        trials = complete_trials(with_measured_costs(PROXIES, costs, deploy))
        assert [t.cost.label for t in trials if t.cost] == ["undeployed", "undeployed"]
    (cost, _) = [
        t.cost for t in complete_trials(with_measured_costs(PROXIES, [ALONE, onnx], deploy))
    ]
    assert cost is not None
    assert (cost.label, cost.latency_sec, cost.weight_bytes) == ("measured", 0.02, 77)
    (cost, _) = [t.cost for t in complete_trials(with_measured_costs(PROXIES, [onnx]))]
    assert cost is not None
    assert cost.label == "proxy"
