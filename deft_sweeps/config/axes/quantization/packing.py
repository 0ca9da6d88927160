"""How the frozen weights are held."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.fields import check

Dtype = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unquantized:
    """Weights in the trial's dtype."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nf4:
    """4-bit NormalFloat weights by bitsandbytes (arXiv 2305.14314), computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["nf4"] = "nf4"
    double: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp4:
    """4-bit floating-point weights by bitsandbytes, computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["fp4"] = "fp4"
    double: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """8-bit weights with one scale an output row by bitsandbytes (LLM.int8, arXiv 2208.07339).

    In training the weights are taken back to the trial's dtype; in evaluation the input is quantized too, so that scores hold what is
    lost by that. T5's projection back to d_model stays unquantized: its input passes the range of the float16 that the kernel uses.

    Attributes:
        outlier_threshold: input features beyond it are computed unquantized, > 0; which they are is told by the whole batch.
    """

    kind: Literal["int8"] = "int8"
    outlier_threshold: float = 6.0

    def __post_init__(self) -> None:
        check(self.outlier_threshold > 0, "outlier_threshold > 0", self.outlier_threshold)


Quantization = Unquantized | Nf4 | Fp4 | Int8
