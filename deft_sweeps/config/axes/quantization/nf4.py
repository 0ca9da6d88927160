"""NF4 weights."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.quantization.four_bit import FourBit


@dataclass(frozen=True, slots=True, kw_only=True)
class Nf4(FourBit):
    """4-bit NormalFloat weights by bitsandbytes (arXiv 2305.14314), computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["nf4"] = "nf4"
    double: bool = False
