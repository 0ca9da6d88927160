"""What every way of holding the frozen weights says of itself."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.layout import Layout, Linear


class Packing(AxisMember):
    """Base of the members of the axis `quantization`. `torch_verb` names what packs one layer:
    `pack(dense, linear, member, compute_dtype, device)`; its module also takes a packed layer's
    tensors out and puts them in again (`axes.quantization.packed_layers.PackedFormat`).

    Attributes:
        evaluation_slowdown: an evaluation over the same on unquantized weights (CPU). Training
            there computes with dense copies and takes no longer.
        quantizes_inputs: whether an evaluation also rounds each packed layer's input, so that the
            unpacked weights alone give other outputs.
        evaluation_heap: resident bytes for each live byte of evaluation (CPU); freed memory goes
            back to the system before it.
    """

    __slots__ = ()
    evaluation_slowdown: ClassVar[float] = 1.0
    evaluation_heap: ClassVar[float] = 2.0
    quantizes_inputs: ClassVar[bool] = False

    @abstractmethod
    def packed_linears(self, layout: Layout) -> tuple[Linear, ...]:
        """The layers whose weights are packed."""

    @abstractmethod
    def packed_bytes(self, layout: Layout) -> float:
        """Of their packed weights with the scales."""

    @property
    @abstractmethod
    def bitsandbytes_settings(self) -> Mapping[str, object]:
        """Arguments of transformers' `BitsAndBytesConfig` for this packing; empty for none."""

    def unpacked_bytes(self, n_weights: int, dtype_bytes: int) -> int:
        """Live for a moment while a layer of so many weights is unpacked for a product."""
        return n_weights * (dtype_bytes + 4)

    def copy_bytes(self, layout: Layout, dtype_bytes: int) -> int:
        """Of the dense copies that a search on the CPU holds beside the packed weights
        (`axes.quantization.dense_copy`).
        """
        return self.n_packed(layout) * dtype_bytes

    def n_packed(self, layout: Layout) -> int:
        """Weights of the packed layers."""
        return sum(linear.n_parameters for linear in self.packed_linears(layout))
