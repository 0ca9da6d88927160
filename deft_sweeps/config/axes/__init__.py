"""The axes of the search: each a closed union of frozen dataclasses, told apart by `kind`.

A member's fields carry the units and ranges; a value out of range raises ValueError when the member is made, so that a
TrialConfig that exists is a TrialConfig that makes sense. What one member cannot be combined with is in `compat.py`.
"""

from deft_sweeps.config.axes.density.density_loss import Activation, AdaDeft, Adaptive, Density, DensityLoss, NoDensityLoss, NoSkipping
from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import (
    AdaLora,
    Adapter,
    Ia3,
    Lora,
    Oft,
    Peft,
    PrefixTuning,
    Prompted,
    PromptTuning,
    PTuning,
    Targeted,
    Vera,
)
from deft_sweeps.config.axes.pruning.pattern import Magnitude, NoPruning, Pattern, Pruning, SparseGpt, Wanda, group_of
from deft_sweeps.config.axes.quantization.packing import Dtype, Fp4, Int8, Nf4, Quantization, Unquantized
from deft_sweeps.config.axes.training import Training
from deft_sweeps.config.layout import Role

__all__ = [
    "Activation",
    "AdaDeft",
    "AdaLora",
    "Adapter",
    "Adaptive",
    "Density",
    "DensityLoss",
    "Dtype",
    "Fp4",
    "Ia3",
    "Int8",
    "Lora",
    "Magnitude",
    "Nf4",
    "NoDensityLoss",
    "NoPruning",
    "NoSkipping",
    "Oft",
    "PTuning",
    "Pattern",
    "Peft",
    "PrefixTuning",
    "PromptTuning",
    "Prompted",
    "Pruning",
    "Quantization",
    "Role",
    "SparseGpt",
    "Targeted",
    "Training",
    "Unquantized",
    "Vera",
    "Wanda",
    "check",
    "group_of",
]
