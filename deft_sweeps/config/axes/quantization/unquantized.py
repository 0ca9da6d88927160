"""The member that keeps the weights in the trial's dtype."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.layout import Layout, Linear

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Unquantized(Packing):
    """Weights in the trial's dtype."""

    torch_verb: ClassVar[str] = ""

    kind: Literal["none"] = "none"

    @property
    @override
    def label(self) -> str:
        return ""

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def packed_linears(self, layout: Layout) -> tuple[Linear, ...]:
        return ()

    @property
    @override
    def bitsandbytes_settings(self) -> Mapping[str, object]:
        return {}

    @override
    def packed_bytes(self, layout: Layout) -> float:
        return 0

    @override
    def unpacked_bytes(self, n_weights: int, dtype_bytes: int) -> int:
        return 0
