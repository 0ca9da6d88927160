"""What the 4-bit formats share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.layout import Layout, Linear

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


class FourBit(Packing):
    """Base of the 4-bit formats of bitsandbytes.

    Attributes:
        double: quantize the scales too.
    """

    __slots__ = ()
    torch_verb: ClassVar[str] = "deft_sweeps.axes.quantization.four_bit_layers:pack"
    double: bool

    @property
    @override
    def label(self) -> str:
        return f"{self.kind.upper()} double" if self.double else self.kind.upper()

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def packed_linears(self, layout: Layout) -> tuple[Linear, ...]:
        return layout.linears

    @property
    @override
    def bitsandbytes_settings(self) -> Mapping[str, object]:
        return {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": self.kind,
            "bnb_4bit_use_double_quant": self.double,
        }

    @override
    def packed_bytes(self, layout: Layout) -> float:
        # Half a byte for each weight and a float32 scale for 64 of them. Double quantization has
        # one byte for 64 weights and a float32 for 256 of those.
        scale = 1 + 4 / 256 if self.double else 4
        n_weights = self.n_packed(layout)
        return n_weights / 2 + n_weights / 64 * scale
