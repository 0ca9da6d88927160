"""compare: fronts of several sweeps side by side, from their folders alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.cli import show
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.findings import Findings
from deft_sweeps.findings.sweep_comparison import ComparedSweep, Comparison, incomparable
from deft_sweeps.findings.sweep_comparison import compare as compare_fronts
from deft_sweeps.report.comparison_tables import levels_table, survivors_table, sweeps_table
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.store.sweep_dir import SweepDir


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
    comparison = compare_fronts(entries)
    if as_json:
        show.as_json(_told(entries, comparison))
        return
    show.table(sweeps_table(entries, comparison))
    show.table(survivors_table(comparison))
    if comparison.levels:
        show.table(levels_table(comparison))


def _entry(folder: Path) -> ComparedSweep:
    sweep = SweepDir(folder).require()
    spec = load_spec(sweep.spec_path)
    findings = Findings.read(spec, sweep)
    return ComparedSweep(str(folder), findings.front, findings.results)


def _told(entries: Sequence[ComparedSweep], comparison: Comparison) -> dict[str, Any]:
    return {
        "objectives": list(comparison.objectives),
        "reference": dict(comparison.reference),
        "seed_reach": None if comparison.seed_spread is None else comparison.seed_spread.reach,
        "joint_hypervolume": comparison.hypervolumes[""],
        "sweeps": [
            {
                "folder": entry.name,
                "n_trials": len(entry.results),
                "hypervolume": comparison.hypervolumes[entry.name],
                "n_front": len(entry.front.members),
                "on_joint_front": [member.name for member in comparison.survivors[entry.name]],
            }
            for entry in entries
        ],
        "best_score_by_density": [
            {"activation_density": level.density, "scores": dict(level.scores)}
            for level in comparison.levels
        ],
    }
