"""Whether trials run on a cluster's GPUs if the budget says nothing, and how many share one."""

from collections.abc import Callable

from deft_sweeps.projection.trial_request import automatic_gpu_share, with_gpu_share
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.sweep.cluster_node import live_nodes
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.units import gpu_part


def with_automatic_gpus(
    spec: SweepSpec, session: Session, say: Callable[[str], None] = lambda _: None
) -> SweepSpec:
    """The sweep with the share of a GPU that its trials get on the Ray that is up.

    Args:
        spec: of the sweep; nothing is decided if its budget says how much of a GPU a trial gets.
        session: of the Ray. On a local one trials run on CPUs.
        say: receives a sentence about what was decided, if the cluster has GPUs.
    """
    if spec.budget.gpus_per_trial is not None or session.address is None:
        return spec
    if not any(node.resources.get("GPU", 0) > 0 for node in live_nodes()):
        return with_gpu_share(spec, 0.0)
    with node_watch(None, is_candidate=lambda node: node.resources.get("GPU", 0) > 0) as watch:
        watch.wait()
        share = automatic_gpu_share(spec, watch.gpu_bytes())
    unset = "budget.gpus_per_trial is not set"
    if share:
        say(f"each trial runs on {gpu_part(share)}, by projected memory: {unset}; 0 means CPUs")
    else:
        say(f"trials run on CPUs: {unset}, and no GPU of the cluster can take them (projected)")
    return with_gpu_share(spec, share)
