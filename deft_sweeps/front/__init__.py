"""The arithmetic of fronts, on plain arrays: dominance, hypervolume, knee."""

from deft_sweeps.front.dominance import (
    Floats,
    covered,
    dominates,
    losses,
    non_dominated,
)
from deft_sweeps.front.dominated_volume import hypervolume
from deft_sweeps.front.knee_point import knee_distances

__all__ = [
    "Floats",
    "covered",
    "dominates",
    "hypervolume",
    "knee_distances",
    "losses",
    "non_dominated",
]
