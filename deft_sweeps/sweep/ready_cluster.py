"""A cluster that is able to run a sweep, before data and models are looked at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
from deft_sweeps.sweep.cluster_node import live_nodes
from deft_sweeps.sweep.local_ray import ray_session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_slots import check_fit


@contextmanager
def ready_cluster(specs: Sequence[SweepSpec], folder: Path, address: str) -> Iterator[None]:
    """Attach to a cluster for as long as the context lasts, once it can run the sweeps' trials.

    Nodes that cannot are not named here: the sweep does that, for these and for later ones.

    Args:
        specs: of the sweeps.
        folder: that they are written to; it need not exist yet.
        address: of the cluster.

    Raises:
        ConfigError: the cluster does not answer, refuses this process, or cannot run a trial.
        OSError: the folder cannot be written here.
    """
    with ray_session(Budget(trials=1), address=address) as session:
        placed = [with_automatic_gpus(spec, session) for spec in specs]
        nodes, needs = live_nodes(), [trial_needs(spec) for spec in placed]
        for of_one in needs:
            check_fit(nodes, of_one, session.where)
        with node_watch(
            nearest_folder(folder),
            is_candidate=lambda node: any(node.slots(of_one) for of_one in needs),
        ) as watch:
            watch.require(session.where)
        yield


def nearest_folder(folder: Path) -> Path:
    """The folder, or the one above it that it will be made in."""
    whole = folder.resolve()
    return next(path for path in (whole, *whole.parents) if path.is_dir())
