"""What a sweep asks of a node, and a cluster on which nothing fits."""

from dataclasses import replace

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.sweep import trial_slots
from deft_sweeps.sweep.cluster_node import ClusterNode
from deft_sweeps.sweep.trial_slots import check_fit
from tests.fakes import fake_spec

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
