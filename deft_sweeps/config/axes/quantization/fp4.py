"""FP4 weights."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.quantization.four_bit import FourBit


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp4(FourBit):
    """4-bit floating-point weights by bitsandbytes, computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["fp4"] = "fp4"
    double: bool = False
