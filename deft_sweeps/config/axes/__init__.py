"""The axes of the search: each a closed union of frozen dataclasses, told apart by `kind`.

A member's fields carry the units and ranges; a value out of range raises ValueError when the member
is made, so that a TrialConfig that exists is a TrialConfig that makes sense. A member also says
what the rest of the program needs to know of it (`member.AxisMember` and the base class of its
axis).
"""

from deft_sweeps.config.axes.activation import ACTIVATIONS, Activation, ActivationMember
from deft_sweeps.config.axes.adaptive import AdaDeft, Adaptive, NoSkipping
from deft_sweeps.config.axes.density import Density, DensityLoss, NoDensityLoss
from deft_sweeps.config.axes.dtype import DTYPE_BYTES, Dtype
from deft_sweeps.config.axes.fields import check, check_path, check_revision
from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.axes.peft import (
    AdaLora,
    Adapter,
    Ia3,
    Lora,
    Oft,
    Peft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Vera,
)
from deft_sweeps.config.axes.pruning import Magnitude, NoPruning, Pruning, SparseGpt, Wanda
from deft_sweeps.config.axes.pruning.pattern import Pattern, group_of
from deft_sweeps.config.axes.quantization import Fp4, Int8, Nf4, Quantization, Unquantized
from deft_sweeps.config.axes.training import Training
from deft_sweeps.config.layout import Role

__all__ = [
    "ACTIVATIONS",
    "DTYPE_BYTES",
    "Activation",
    "ActivationMember",
    "AdaDeft",
    "AdaLora",
    "Adapter",
    "Adaptive",
    "AxisMember",
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
    "Pruning",
    "Quantization",
    "Role",
    "SparseGpt",
    "Training",
    "Unquantized",
    "Vera",
    "Wanda",
    "check",
    "check_path",
    "check_revision",
    "group_of",
]
