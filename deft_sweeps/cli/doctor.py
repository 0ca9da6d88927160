"""doctor: the checks that a sweep makes of its machines before its first trial, alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import BAD_INPUT, say
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.units import count

if TYPE_CHECKING:
    from deft_sweeps.sweep.cluster_report import ClusterReport, NodeReport

_ANY_TRIAL = {"CPU": 1.0}
"""What a trial needs as long as no spec says more."""


def doctor(file: Path | None, out: Path | None, *, ray_address: str | None, as_json: bool) -> None:
    """Print a line a node; end with the code of bad input if something is wrong."""
    specs, target = _target(file, out)
    from deft_sweeps.projection.trial_request import trial_needs
    from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
    from deft_sweeps.sweep.cluster_report import examine
    from deft_sweeps.sweep.local_ray import ray_session
    from deft_sweeps.sweep.ready_cluster import nearest_folder

    needs = dict(_ANY_TRIAL)
    folder = None if target is None else nearest_folder(target)
    with ray_session(Budget(trials=1), address=ray_address) as session:
        for spec in specs:
            of_spec = trial_needs(with_automatic_gpus(spec, session))
            needs |= {name: max(need, needs.get(name, 0.0)) for name, need in of_spec.items()}
        report = examine(session, needs, folder)
    if as_json:
        show.as_json(_json(report, folder))
    else:
        show.text(*_lines(report))
    if report.misfit:
        say(report.misfit)
    if not report.is_sound:
        raise typer.Exit(BAD_INPUT)


def _target(file: Path | None, out: Path | None) -> tuple[list[SweepSpec], Path | None]:
    """The sweeps to check for, and the folder that they are written to.

    Raises:
        ConfigError: the spec is wrong, or both arguments name a folder.
    """
    if file is None:
        return [], out
    if not file.is_dir():
        parts = load_parts(file, spec_folder(file))
        return [part.spec for part in parts], out or Path("runs") / parts[0].spec.name
    if out is not None:
        what, remedy = f"{file} is a sweep's folder already", "leave --out away, or give a YAML"
        raise ConfigError([Problem("--out", what, remedy)])
    sweep = SweepDir(file).require()
    parts = load_parts(sweep.spec_path, spec_folder(sweep.spec_path))
    return [part.spec for part in parts], file


def _lines(report: "ClusterReport") -> Iterator[str]:
    from deft_sweeps.sweep.cluster_node import amounts

    for node in report.nodes:
        yield f"{node.node}: {_state(node)}"
    n_sound = sum(not node.problems for node in report.nodes)
    yield (
        f"{n_sound} of {count(len(report.nodes), 'node')} sound, {count(report.slots, 'trial')} at"
        f" a time; one needs {amounts(report.needs)}"
        + ("; the cluster may add nodes on demand" if report.grows else "")
    )


def _state(node: "NodeReport") -> str:
    from deft_sweeps.sweep.cluster_node import amounts

    if node.problems:
        return f"no trials: {'; '.join(node.problems)}"
    has = {name: node.node.resources.get(name, 0.0) for name in ("CPU", "GPU", "memory")}
    return f"ok, {count(node.slots, 'trial')} at a time, {amounts(has)}"


def _json(report: "ClusterReport", folder: Path | None) -> dict[str, Any]:
    return {
        "is_sound": report.is_sound,
        "misfit": report.misfit,
        "folder": None if folder is None else str(folder),
        "needs": dict(report.needs),
        "n_slots": report.slots,
        "grows_on_demand": report.grows,
        "nodes": [
            {
                "node_id": node.node.node_id,
                "host": node.node.host,
                "address": node.node.address,
                "problems": list(node.problems),
                "n_slots": node.slots,
                "resources": {
                    name: node.node.resources.get(name, 0.0) for name in ("CPU", "GPU", "memory")
                },
                "versions": dict(node.facts.versions) if node.facts else {},
                "shared_memory_bytes": node.facts.shared_memory_bytes if node.facts else None,
            }
            for node in report.nodes
        ],
    }
