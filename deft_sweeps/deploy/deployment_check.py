"""Whether the runtime that a sweep deploys to can compute what the sweep trains. Loads no torch."""

from deft_sweeps.config.layout import Layout
from deft_sweeps.deploy.runtimes.runtime_kinds import RUNTIMES
from deft_sweeps.deploy.targets.export_targets import TARGETS
from deft_sweeps.extras import require
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.sweep_spec import SweepSpec


def unexportable(spec: SweepSpec, shape: Layout) -> tuple[str, ...]:
    """Combinations of the space that the runtime's format cannot hold, a sentence a reason.

    Args:
        spec: of the sweep.
        shape: of its model.
    """
    labels: dict[str, list[str]] = {}
    for name in deployed_targets(spec.deploy):
        for combination in spec.combinations:
            for reason in TARGETS[name].problems(combination.template, shape):
                labels.setdefault(reason, []).append(combination.label)
    return tuple(
        f"{reason} ({len(named)} of {len(spec.combinations)} combinations, {named[0]} say)"
        for reason, named in labels.items()
    )


def deployed_targets(deploy: Deployment | None) -> tuple[str, ...]:
    """Formats besides `hf` that the runtime needs: its own, or none."""
    needs = "" if deploy is None else RUNTIMES[deploy.runtime].needs
    return (needs,) if needs else ()


def require_runtime(deploy: Deployment | None) -> None:
    """Check that the packages are installed which export for the runtime and run it.

    Raises:
        MissingExtraError: names the extra.
    """
    if deploy is not None:
        require(RUNTIMES[deploy.runtime].extra)
