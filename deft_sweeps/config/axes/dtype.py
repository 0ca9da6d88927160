"""Number formats that a frozen base computes in."""

from typing import Literal

Dtype = Literal["fp32", "bf16"]

DTYPE_BYTES: dict[Dtype, int] = {"fp32": 4, "bf16": 2}
