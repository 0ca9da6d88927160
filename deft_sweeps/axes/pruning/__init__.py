"""Pruning of the frozen base, one module a method."""

from deft_sweeps.axes.pruning.pruner import Pruner, prune_, sparsities
from deft_sweeps.axes.pruning.walk import Calibration

__all__ = ["Calibration", "Pruner", "prune_", "sparsities"]
