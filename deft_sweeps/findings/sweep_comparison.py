"""Fronts of several sweeps side by side: one reference point, one joint front, and the difference
at equal density.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deft_sweeps.findings.front_member import (
    FrontMember,
    configurations,
    directions_of,
    seed_spread_of,
    values_of,
)
from deft_sweeps.findings.pareto_front import ParetoFront
from deft_sweeps.front import hypervolume, non_dominated
from deft_sweeps.metrics import ACTIVATION_DENSITY, DEFAULT_OBJECTIVES, METRICS, SCORE
from deft_sweeps.result import TrialResult, complete_trials
from deft_sweeps.statistics.seed_spread import SeedSpread


@dataclass(frozen=True, slots=True)
class ComparedSweep:
    """A sweep that takes part.

    Attributes:
        name: unique among those compared.
        front: of the sweep, under its own limits.
        results: that it was made of.
    """

    name: str
    front: ParetoFront
    results: tuple[TrialResult, ...]


@dataclass(frozen=True, slots=True)
class AtDensity:
    """The best score of each sweep's front at or below a density.

    Attributes:
        scores: by the sweep's name; a sweep that has no point there is missing.
    """

    density: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the fronts come to beside one another.

    Attributes:
        objectives: that all of them share.
        reference: of every hypervolume, a value an objective.
        hypervolumes: of each sweep's front, by its name, and under "" that of the joint front.
        survivors: of each sweep, the members that no member of any sweep dominates.
        levels: the densities of all members from the lowest that every sweep reaches, rising; empty
            where score and density are not both objectives.
        seed_spread: how far the seed alone moves a score, from the configurations that a sweep
            trained with several; None if no sweep tells.
    """

    objectives: tuple[str, ...]
    reference: Mapping[str, float]
    hypervolumes: Mapping[str, float]
    survivors: Mapping[str, tuple[FrontMember, ...]]
    levels: tuple[AtDensity, ...]
    seed_spread: SeedSpread | None = None


def incomparable(entries: Sequence[ComparedSweep]) -> tuple[str, ...]:
    """Why the sweeps cannot be compared, a sentence each; empty where they can."""
    reasons = []
    for what, by_sweep in (
        ("objectives", {entry.name: ", ".join(entry.front.objectives) for entry in entries}),
        ("the metric of their score", {entry.name: _metrics(entry) for entry in entries}),
        ("their data (fingerprint)", {entry.name: _data(entry) for entry in entries}),
    ):
        if len(set(by_sweep.values())) > 1:
            reasons.append(
                f"the sweeps differ in {what}: "
                + "; ".join(f"{name} has {value}" for name, value in by_sweep.items())
            )
    reasons += [
        f"{entry.name} has no member on its front" for entry in entries if not entry.front.members
    ]
    return tuple(reasons)


def compare(entries: Sequence[ComparedSweep]) -> Comparison:
    """Put the fronts beside one another.

    The reference is the worst possible value of each objective, or else the worst on any of the
    fronts, taken a tenth of their span further out, so that the worst member still counts.

    Raises:
        ValueError: `incomparable` says why.
    """
    reasons = incomparable(entries)
    if reasons:
        raise ValueError("; ".join(reasons))
    objectives = entries[0].front.objectives
    directions = directions_of(objectives)
    members = [(entry.name, member) for entry in entries for member in entry.front.members]
    values = values_of([member for _, member in members], objectives)
    first = members[0][1].point
    reference = {}
    for i, name in enumerate(objectives):
        worst = METRICS[name].worst(first)
        reference[name] = _beyond(name, values[:, i]) if worst is None else worst
    corner = [reference[name] for name in objectives]
    on_joint = non_dominated(values, directions)
    volumes = {
        entry.name: hypervolume(values_of(entry.front.members, objectives), corner, directions)
        for entry in entries
    }
    return Comparison(
        objectives=objectives,
        reference=reference,
        hypervolumes=volumes | {"": hypervolume(values, corner, directions)},
        survivors={
            entry.name: tuple(
                m
                for (name, m), survives in zip(members, on_joint, strict=True)
                if survives and name == entry.name
            )
            for entry in entries
        },
        levels=_levels(entries) if set(DEFAULT_OBJECTIVES) <= set(objectives) else (),
        seed_spread=seed_spread_of(
            member for entry in entries for member in configurations(entry.results)
        ),
    )


def _levels(entries: Sequence[ComparedSweep]) -> tuple[AtDensity, ...]:
    points = {
        e.name: [(m.values[ACTIVATION_DENSITY.name], m.values[SCORE.name]) for m in e.front.members]
        for e in entries
    }
    reached = max(min(density for density, _ in own) for own in points.values())
    densities = sorted(
        {density for own in points.values() for density, _ in own if density >= reached}
    )
    return tuple(
        AtDensity(at, {name: max(s for d, s in own if d <= at) for name, own in points.items()})
        for at in densities
    )


def _beyond(name: str, values: np.ndarray) -> float:
    low, high = float(values.min()), float(values.max())
    margin = 0.1 * (high - low) or 0.1 * max(abs(low), 1e-12)
    return high + margin if METRICS[name].direction == "minimize" else low - margin


def _metrics(entry: ComparedSweep) -> str:
    classes = {
        f"{m.point.score.metric} on {m.point.score.n_examples} examples"
        for m in entry.front.members
    }
    return ", ".join(sorted(classes))


def _data(entry: ComparedSweep) -> str:
    fingerprints = {
        r.provenance.dataset_fingerprint for r in complete_trials(entry.results) if r.provenance
    }
    return ", ".join(sorted(fingerprints))
