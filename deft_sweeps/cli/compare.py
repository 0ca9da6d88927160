"""compare: fronts of several sweeps side by side, from their folders alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.cli import show
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.findings import Findings
from deft_sweeps.findings.sweep_comparison import ComparedSweep, Comparison, incomparable
from deft_sweeps.findings.sweep_comparison import compare as compare_fronts
from deft_sweeps.report.beside import levels_sheet, survivors_sheet, sweeps_sheet
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.store.results import SweepDir


def compare(folders: Sequence[Path], *, as_json: bool) -> None:
    """Print the comparison.

    Raises:
        ConfigError: fewer than two folders, one of them twice, or sweeps that do not compare.
        StoreError: a folder is no sweep's, or cannot be read.
    """
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise ConfigError(
            [
                Problem(
                    "DIR",
                    f"expected two or more different folders, got {' '.join(map(str, folders))}",
                )
            ]
        )
    entries = [_entry(folder) for folder in folders]
    reasons = incomparable(entries)
    if reasons:
        raise ConfigError([Problem(" ".join(map(str, folders)), reason) for reason in reasons])
    found = compare_fronts(entries)
    if as_json:
        show.as_json(_told(entries, found))
        return
    show.table(sweeps_sheet(entries, found))
    show.table(survivors_sheet(found))
    if found.levels:
        show.table(levels_sheet(found))


def _entry(folder: Path) -> ComparedSweep:
    sweep = SweepDir(folder).require()
    spec = load_spec(sweep.spec_path)
    findings = Findings.read(spec, sweep)
    return ComparedSweep(str(folder), findings.front, findings.results)


def _told(entries: Sequence[ComparedSweep], found: Comparison) -> dict[str, Any]:
    return {
        "objectives": list(found.objectives),
        "reference": dict(found.reference),
        "joint_hypervolume": found.hypervolumes[""],
        "sweeps": [
            {
                "folder": entry.name,
                "n_trials": len(entry.results),
                "hypervolume": found.hypervolumes[entry.name],
                "n_front": len(entry.front.members),
                "on_joint_front": [member.name for member in found.survivors[entry.name]],
            }
            for entry in entries
        ],
        "best_score_by_density": [
            {"activation_density": level.density, "scores": dict(level.scores)}
            for level in found.levels
        ],
    }
