"""How many trials fit on a cluster; tests/hosts has real ones."""

from typing import Any

import pytest
import ray
from ray.exceptions import RaySystemError

from deft_sweeps.sweep import cluster
from deft_sweeps.sweep.cluster import SlotCount, slots_on


@pytest.mark.parametrize(
    ("node", "needs", "slots"),
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
    node: dict[str, float], needs: dict[str, float], slots: int
) -> None:
    assert slots_on(node, needs) == slots


def test_slots_follow_the_nodes_and_do_not_add_up_parts_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two nodes of 3 cores have room for two trials of 2 cores, not for three."""
    nodes: list[dict[str, Any]] = [{"Alive": True, "Resources": {"CPU": 3.0}} for _ in range(2)]
    monkeypatch.setattr(cluster, "POLL_SEC", 0.0)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    count = SlotCount({"cpu": 2, "gpu": 0.0})
    assert count() == 2
    nodes.append({"Alive": True, "Resources": {"CPU": 4.0}})
    assert count() == 4
    nodes[0]["Alive"] = False
    assert count() == 3

    def silent() -> None:
        raise RaySystemError("the head is away")

    monkeypatch.setattr(ray, "nodes", silent)
    assert count() == 3, "a head that restarts is no cluster without nodes"


def test_needs_are_told_in_units() -> None:
    assert (
        SlotCount({"cpu": 2, "gpu": 0.5, "memory": 3 * 2**29}).needs
        == "2 CPU, 0.5 GPU, 1.50 GiB of memory"
    )
