"""What a sweep asks of a node, and a cluster on which nothing fits."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.projection.memory_fit import MachineMemory, largest_trial
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.result import TrialResult
from deft_sweeps.sweep import trial_slots
from deft_sweeps.sweep.cluster_node import ClusterNode
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.trial_slots import check_fit
from tests.fakes import fake_result, fake_spec

WHERE = "--ray-address head:6379"
NEEDS = {"CPU": 4.0, "GPU": 1.0, "memory": 2.0**31}


def node(host: str, **resources: float) -> ClusterNode:
    return ClusterNode(host, host, "10.0.0.1", resources)


SMALL = node("small", CPU=2.0, memory=2.0**33)
GPU = node("gpu", CPU=2.0, GPU=1.0, memory=2.0**33)
LARGE = node("large", CPU=8.0, GPU=1.0, memory=2.0**33)


@pytest.fixture(autouse=True)
def of_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_slots, "grows_on_demand", lambda: False)


def test_one_node_that_is_large_enough_will_do() -> None:
    check_fit([SMALL, LARGE], NEEDS, WHERE)


def test_a_misfit_is_told_with_needs_the_nearest_node_and_the_setting() -> None:
    with pytest.raises(ConfigError) as error:
        check_fit([SMALL, GPU], NEEDS, WHERE)
    assert str(error.value) == (
        "--ray-address head:6379: no trial fits: one needs 4 CPU, 1 GPU, 2.00 GiB of memory, and"
        " the largest of its 2 nodes, gpu (10.0.0.1), has 2 CPU, 1 GPU, 8.00 GiB of memory"
        " (lower budget.cpus_per_trial, or add a node)"
    )
    with pytest.raises(ConfigError, match="its only node, small"):
        check_fit([SMALL], {"CPU": 3.0}, WHERE)
    with pytest.raises(ConfigError, match="the cluster has no node"):
        check_fit([], NEEDS, WHERE)


def test_a_cluster_that_grows_on_demand_may_have_no_node_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_slots, "grows_on_demand", lambda: True)
    check_fit([], NEEDS, WHERE)
    check_fit([SMALL], NEEDS, WHERE)


def test_a_trial_needs_its_projected_memory_unless_it_is_the_gpus() -> None:
    spec = fake_spec(2)
    on_cpu = trial_needs(spec)
    assert on_cpu["CPU"] == spec.budget.cpus_per_trial
    assert on_cpu["memory"] > 2**20
    on_gpu = replace(spec, budget=replace(spec.budget, gpus_per_trial=0.5))
    assert trial_needs(on_gpu) == {"CPU": 1.0, "GPU": 0.5}


def test_on_this_machine_fewer_trials_run_once_one_needed_more_than_projected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = fake_spec(9, concurrency=4)
    largest = largest_trial(spec, on_gpu=False)
    assert largest is not None
    room = int(3.5 * largest.n_bytes)
    monkeypatch.setattr(trial_slots, "machine_memory", lambda: MachineMemory(2 * room, room))
    results, said = list[TrialResult](), list[str]()
    driver: Any = SimpleNamespace(spec=spec, results=results, warn=said.append)
    with trial_slots.trial_slots(driver, Session(Path(), 4)) as slots:
        assert slots.allowed() == 3
        result = fake_result(largest.config, 0)
        assert result.cost is not None
        peak = int(1.6 * largest.n_bytes)
        results.append(replace(result, cost=replace(result.cost, peak_memory_bytes=peak)))
        assert slots.allowed() == 1
    assert said == [
        "3 trials at a time: memory has no room for more (projected)",
        "1 trial at a time: memory has no room for more (measured)",
    ]
