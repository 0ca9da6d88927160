"""From the moments that a sweep's folder shows to seconds a phase."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from deft_sweeps.store.sweep_dir import SweepDir

LIKE_FOR_LIKE = ("start-up", "trials", "end")
"""Phases that a plain script has too."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one phase."""

    wall: float
    cpu: float


def phase_ends(
    *,
    first_start: float,
    last_trial: float,
    selection: float | None,
    twin: float | None,
    finals: float | None,
    report: float | None,
) -> dict[str, float]:
    """When each phase ended, in the order in which a sweep goes through them; `end` follows.

    A phase that did not happen ends when the one before it did.

    Args:
        first_start: the first trial began to load its model.
        last_trial: the last of the configurations ended, measured.
        selection: the certificate's last measurement was stored.
        twin: the trial without the chosen one's density loss ended.
        finals: the last measurement on the test split was stored.
        report: the page was written.
    """
    ends = {"start-up": first_start, "trials": last_trial}
    latest = last_trial
    for name, moment in (
        ("certificate", selection),
        ("twin", twin),
        ("finals", finals),
        ("report", report),
    ):
        latest = latest if moment is None else max(latest, moment)
        ends[name] = latest
    return ends


def seconds(
    began: float, ends: Mapping[str, float], ended: float, cpu_at: Callable[[float], float]
) -> dict[str, Seconds]:
    """Wall and CPU seconds of each phase, and of `end`.

    Args:
        began: of the program.
        ends: of its phases, rising.
        ended: of the program.
        cpu_at: CPU seconds up to a moment.
    """
    moments = [began, *ends.values(), ended]
    return {
        name: Seconds(b - a, cpu_at(b) - cpu_at(a))
        for name, (a, b) in zip((*ends, "end"), pairwise(moments), strict=True)
    }


def total(of: Mapping[str, Seconds], names: tuple[str, ...] = ()) -> Seconds:
    """Of these phases; of all where none is named."""
    chosen = [value for name, value in of.items() if not names or name in names]
    return Seconds(sum(one.wall for one in chosen), sum(one.cpu for one in chosen))


def sweep_phase_ends(sweep: SweepDir, config_ids: frozenset[str]) -> dict[str, float]:
    """When the phases of a finished sweep ended.

    Args:
        sweep: its folder.
        config_ids: of the configurations that it was to train; any other is the twin.
    """
    results = sweep.results()
    searched = [result for result in results if result.config_id in config_ids]
    others = [result for result in results if result.config_id not in config_ids]
    return phase_ends(
        first_start=min(result.started_at for result in searched),
        last_trial=max(result.finished_at for result in searched),
        selection=_latest(sweep.root / "selection"),
        twin=max((result.finished_at for result in others), default=None),
        finals=_latest(sweep.root / "final"),
        report=sweep.report_path.stat().st_mtime if sweep.report_path.exists() else None,
    )


def _latest(folder: Path) -> float | None:
    return max((path.stat().st_mtime for path in folder.glob("*.json")), default=None)
