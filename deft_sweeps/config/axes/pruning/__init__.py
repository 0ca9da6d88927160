"""Pruning methods: the closed union. A new one is its module here, its torch verb, and its line
below.
"""

from deft_sweeps.config.axes.pruning.magnitude import Magnitude as Magnitude
from deft_sweeps.config.axes.pruning.no_pruning import NoPruning as NoPruning
from deft_sweeps.config.axes.pruning.ria import Ria as Ria
from deft_sweeps.config.axes.pruning.sparsegpt import SparseGpt as SparseGpt
from deft_sweeps.config.axes.pruning.wanda import Wanda as Wanda

Pruning = NoPruning | Magnitude | Wanda | SparseGpt | Ria
