"""What `deft-sweeps doctor` reports: each node's check and the trials that it can run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.errors import ConfigError
from deft_sweeps.sweep.cluster_node import ClusterNode, grows_on_demand, live_nodes
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.node_check import NodeFacts
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_slots import check_fit


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node.

    Attributes:
        problems: reasons why it gets no trials; none if it passed.
        slots: trials that fit on it at a time, if it passes.
        facts: that it gave; None if it gave none.
    """

    node: ClusterNode
    problems: tuple[str, ...]
    slots: int
    facts: NodeFacts | None


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """All nodes.

    Attributes:
        needs: of one trial, by Ray's names.
        misfit: why a trial fits on no node; empty if one does.
        grows: whether the cluster may add nodes itself.
    """

    needs: Mapping[str, float]
    nodes: tuple[NodeReport, ...]
    misfit: str
    grows: bool

    @property
    def slots(self) -> int:
        """Trials at a time on the nodes that passed."""
        return sum(report.slots for report in self.nodes if not report.problems)

    @property
    def is_sound(self) -> bool:
        """Whether every node passed and a trial fits on one, or will."""
        return not self.misfit and not any(report.problems for report in self.nodes)


def examine(session: Session, needs: Mapping[str, float], folder: Path | None) -> ClusterReport:
    """Check every node of the Ray that is up.

    Args:
        session: of it.
        needs: of one trial, by Ray's names.
        folder: that the nodes must share; None looks at none.

    Raises:
        OSError: the folder cannot be written here.
    """
    with node_watch(folder) as watch:
        watch.wait()
        nodes = tuple(
            NodeReport(verdict.node, verdict.problems, verdict.node.slots(needs), verdict.facts)
            for verdict in sorted(watch.verdicts.values(), key=lambda verdict: str(verdict.node))
        )
    try:
        check_fit(live_nodes(), needs, session.where)
        misfit = ""
    except ConfigError as error:
        misfit = str(error)
    return ClusterReport(needs, nodes, misfit, grows_on_demand())
