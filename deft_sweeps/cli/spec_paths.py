"""What is said of the paths in a spec, which start from the spec's own folder."""

import os
from collections.abc import Iterable, Iterator

from deft_sweeps.errors import Problem
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sources import unusable_sources
from deft_sweeps.tasks.location import WrittenPath, written_paths


def misplaced_paths(spec: SweepSpec) -> list[WrittenPath]:
    """Paths of the model and the data that lead to something from the working directory alone."""
    written = written_paths(spec.combinations[0].template, spec.folder)
    return [path for path in written if path.is_misplaced]


def misplaced(path: WrittenPath, spec: SweepSpec, where: str) -> Problem:
    """Such a path as a problem."""
    right = os.path.relpath(path.in_cwd, spec.folder)
    return Problem(
        where,
        f"no {path.path} in {spec.folder}: paths start from the spec's folder, and only the working"
        " directory has it",
        f"write {right}, or {path.in_cwd}",
    )


def path_notes(spec: SweepSpec) -> Iterator[str]:
    """A sentence for each path that would lead elsewhere from the working directory."""
    for path in written_paths(spec.combinations[0].template, spec.folder):
        if path.is_ambiguous:
            yield (
                f"{path.setting[-1]}: {path.path} is {path.in_folder}, since paths start from the"
                f" spec's folder; the one in the working directory is not read"
            )


def unusable_warm_start(folders: Iterable[str], spec: SweepSpec, where: str) -> list[Problem]:
    """What is wrong with earlier sweeps' folders that a spec names, in full, under `where`."""
    problems = []
    for folder in folders:
        written = os.path.relpath(folder, spec.folder or os.curdir)
        if not os.path.exists(folder) and os.path.exists(written):
            path = WrittenPath(("search", "warm_start"), written, folder, os.path.abspath(written))
            problems.append(misplaced(path, spec, where))
        else:
            problems += unusable_sources([folder], where)
    return problems
