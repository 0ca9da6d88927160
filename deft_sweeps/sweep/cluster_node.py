"""Nodes of a Ray cluster, how many trials fit on one, and whether the cluster adds nodes itself."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray
from ray._private import ray_constants
from ray._private.state import state
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

from deft_sweeps.projection.trial_request import trial_slots_on
from deft_sweeps.units import size

NODE_ID_LABEL = "ray.io/node-id"

_RARITY = ("GPU", "CPU", "memory")
_MADE_UP_TYPE = re.compile(r"node_[0-9a-f]{8,}")
"""Types that Ray's first autoscaler gives nodes that it only watches: each node its own."""


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A node that is alive.

    Attributes:
        resources: by Ray's names; memory in bytes.
    """

    node_id: str
    host: str
    address: str
    resources: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.host} ({self.address})"

    def slots(self, needs: Mapping[str, float]) -> int:
        """Trials that fit on it at a time.

        Args:
            needs: of one trial, by Ray's names, each > 0.
        """
        return trial_slots_on(self.resources, needs)


def live_nodes() -> list[ClusterNode]:
    """The nodes of the cluster that Ray is attached to.

    Raises:
        RayError: the head does not answer.
    """
    return [
        ClusterNode(
            node["NodeID"],
            node["NodeManagerHostname"],
            node["NodeManagerAddress"],
            node["Resources"],
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def amounts(resources: Mapping[str, float]) -> str:
    """`4 CPU, 1 GPU, 15.20 GiB of memory`."""
    return ", ".join(
        f"{size(amount)} of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in resources.items()
    )


def largest(nodes: Sequence[ClusterNode], needs: Mapping[str, float]) -> ClusterNode | None:
    """The node that comes nearest to what a trial needs; None if there is none."""

    def nearness(node: ClusterNode) -> tuple[float, ...]:
        has = {name: node.resources.get(name, 0.0) for name in needs}
        n_met = sum(has[name] >= need for name, need in needs.items())
        return (n_met, *(has[name] for name in sorted(needs, key=_RARITY.index)))

    return max(nodes, key=nearness, default=None)


def grows_on_demand() -> bool:
    """Whether an autoscaler may add nodes for trials that wait.

    Ray has no public sign of it. It counts as one that a service has reported node groups that may
    grow, that Ray's second autoscaler is enabled, or that the first one manages node types of its
    own. The first one also runs on clusters made by hand, where it only watches.
    """
    config = state.get_cluster_config()
    if config is not None and any(
        group.max_count < 0 or group.max_count > group.min_count
        for group in config.node_group_configs
    ):
        return True
    head = GcsClient(address=ray.get_runtime_context().gcs_address)
    if head.internal_kv_get(b"__autoscaler_v2_enabled", b"__autoscaler") == b"1":
        return True
    status = head.internal_kv_get(ray_constants.DEBUG_AUTOSCALING_STATUS.encode(), None)
    return _manages_nodes(status)


def _manages_nodes(status: bytes | None) -> bool:
    """Whether the first autoscaler's status names node types that are not made up."""
    report = json.loads(status).get("autoscaler_report") if status else None
    if not report:
        return False
    types = [*report["active_nodes"], *(report.get("node_type_mapping") or {}).values()]
    types += report.get("pending_launches") or {}
    types += [pending[1] for pending in report.get("pending_nodes") or []]
    return not all(_MADE_UP_TYPE.fullmatch(name) for name in types)
