"""Losses on the gates: the closed union. A new one is its module here, its torch verb, and its line
below.
"""

from deft_sweeps.config.axes.density.density_loss import DensityLoss as DensityLoss
from deft_sweeps.config.axes.density.no_density_loss import NoDensityLoss as NoDensityLoss

Density = NoDensityLoss | DensityLoss
