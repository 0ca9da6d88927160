"""How many trials fit on a cluster; tests/hosts has real ones."""

import pytest
from ray.exceptions import RaySystemError

from deft_sweeps.sweep import cluster
from deft_sweeps.sweep.cluster import SlotCount
from deft_sweeps.sweep.cluster_node import ClusterNode


def node(n_cpus: float) -> ClusterNode:
    return ClusterNode(f"{n_cpus:g}", "worker", "10.0.0.1", {"CPU": n_cpus})


def test_slots_follow_the_nodes_and_do_not_add_up_parts_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two nodes of 3 cores have room for two trials of 2 cores, not for three."""
    monkeypatch.setattr(cluster, "POLL_SEC", 0.0)
    nodes, is_away = [node(3.0), node(3.0)], False

    def passed() -> list[ClusterNode]:
        if is_away:
            raise RaySystemError("the head is away")
        return nodes

    count = SlotCount({"CPU": 2.0}, passed)
    assert count() == 2
    nodes.append(node(4.0))
    assert count() == 4
    del nodes[0]
    assert count() == 3
    is_away = True
    assert count() == 3, "a head that restarts is no cluster without nodes"
