"""What fits on a node, and what Ray's autoscaler says of itself; tests/hosts has clusters."""

import json
from typing import Any

import pytest

from deft_sweeps.projection.trial_request import ray_needs
from deft_sweeps.sweep.cluster_node import (
    ClusterNode,
    _manages_nodes,
    amounts,
    largest,
)


def node(resources: dict[str, float]) -> ClusterNode:
    return ClusterNode("a1", "worker", "10.0.0.1", resources)


@pytest.mark.parametrize(
    ("has", "needs", "slots"),
    [
        ({"CPU": 4.0}, {"CPU": 1.0}, 4),
        ({"CPU": 8.0, "memory": 10e9}, {"CPU": 2.0, "memory": 3e9}, 3),
        ({"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}, 0),
        ({"CPU": 16.0, "GPU": 1.0}, {"CPU": 1.0, "GPU": 0.1}, 10),
        ({"CPU": 16.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 0.4}, 4),
        ({"CPU": 16.0, "GPU": 4.0}, {"CPU": 1.0, "GPU": 2.0}, 2),
        ({}, {"CPU": 1.0}, 0),
    ],
)
def test_a_node_has_as_many_slots_as_its_scarcest_resource(
    has: dict[str, float], needs: dict[str, float], slots: int
) -> None:
    assert node(has).slots(needs) == slots


def test_needs_are_told_in_units() -> None:
    needs = ray_needs({"cpu": 2, "gpu": 0.5, "memory": 3 * 2**29})
    assert amounts(needs) == "2 CPU, 0.5 GPU, 1.50 GiB of memory"
    assert ray_needs({"cpu": 2, "gpu": 0.0}) == {"CPU": 2}


def test_the_largest_node_is_the_one_that_lacks_least() -> None:
    """For a trial with a GPU that is one with a GPU, however many cores others have."""
    many, gpu = node({"CPU": 64.0}), node({"CPU": 2.0, "GPU": 1.0})
    both = node({"CPU": 4.0, "GPU": 1.0})
    assert largest([many, gpu, both], {"CPU": 8.0, "GPU": 1.0}) is both
    assert largest([many, gpu], {"CPU": 128.0}) is many
    assert largest([], {"CPU": 1.0}) is None


def status(**report: Any) -> bytes:
    return json.dumps({"autoscaler_report": {"active_nodes": {}} | report}).encode()


def test_an_autoscaler_that_only_watches_adds_no_nodes() -> None:
    assert not _manages_nodes(None)
    assert not _manages_nodes(b"{}")
    own_type = f"node_{'0a' * 28}"
    mapping = {"0a" * 28: own_type}
    assert not _manages_nodes(status(active_nodes={own_type: 1}, node_type_mapping=mapping))


@pytest.mark.parametrize(
    "report",
    [
        {"active_nodes": {"ray.head.default": 1}},
        {"node_type_mapping": {"10.0.0.1": "ray.head.default"}},
        {"pending_launches": {"gpu_worker": 2}},
        {"pending_nodes": [["10.0.0.2", "gpu_worker", "setting-up"]]},
    ],
)
def test_an_autoscaler_with_node_types_of_its_own_adds_them(report: dict[str, Any]) -> None:
    assert _manages_nodes(status(**report))
