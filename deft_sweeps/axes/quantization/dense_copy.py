"""Dense copies of packed weights, which spare a search on the CPU from unpacking them in each pass.

bitsandbytes unpacks a layer's weights for every product, at every step anew. Here they are unpacked
once, to the same values in the dtype that the layer computes in, so that losses are equal bit for
bit. The packed weights stay: what is saved, counted as weight bytes, and run wherever memory or
latency is measured, is they. A format that also rounds its inputs in an evaluation
(`Packing.quantizes_inputs`) uses its copy in training alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.layout import Layout


class DenseForward:
    """Stands in for the forward pass of one packed layer.

    Attributes:
        weight: unpacked, (out, in), in the dtype that the layer computes in.
        active: whether the copy is used; else the packed weights are.
        in_evaluation: whether it is used in evaluation mode too.
    """

    def __init__(self, packed: Any, dtype: torch.dtype, *, in_evaluation: bool) -> None:
        self._packed, self._packed_forward = packed, packed.forward
        self.weight = unpacked(packed, dtype)
        self.active, self.in_evaluation = True, in_evaluation

    def used(self, *, training: bool) -> bool:
        """Whether a pass in this mode reads the copy."""
        return self.active and (training or self.in_evaluation)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in x's dtype."""
        # An int8 layer computes in the dtype of its input, and its copy is of one dtype.
        other = not self.in_evaluation and x.dtype != self.weight.dtype
        if other or not self.used(training=self._packed.training):
            packed: Tensor = self._packed_forward(x)
            return packed
        bias = self._packed.bias
        bias = None if bias is None else bias.to(self.weight.dtype)
        return functional.linear(x.to(self.weight.dtype), self.weight, bias).to(x.dtype)


@torch.no_grad()
def unpacked(packed: Any, dtype: torch.dtype) -> Tensor:
    """The weights (out, in) that a packed layer multiplies by, as bitsandbytes unpacks them."""
    import bitsandbytes as bnb

    if isinstance(packed, bnb.nn.Linear4bit):
        weight = packed.weight
        dense: Tensor = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
        return dense.to(dtype)
    bytes_of, scales = packed.state.CB, packed.state.SCB
    rounded: Tensor = bytes_of.to(dtype, copy=True).mul_(scales.unsqueeze(1).mul(1.0 / 127.0))
    return rounded


def hold_dense_copies_(
    model: nn.Module, layout: Layout, quantization: Packing, dtype: torch.dtype
) -> None:
    """Give each packed layer a dense copy of its weights (`Packing.copy_bytes`).

    Args:
        model: on the CPU, its linear layers where the layout says.
        layout: of the model.
        quantization: of its packed layers.
        dtype: that they compute in.
    """
    for linear in quantization.packed_linears(layout):
        packed: Any = model.get_submodule(linear.name)
        packed.forward = DenseForward(
            packed, dtype, in_evaluation=not quantization.quantizes_inputs
        )


def dense_weight(layer: nn.Module, *, training: bool) -> Tensor | None:
    """The weight (out, in) that a layer multiplies by: a dense layer's own, or the copy that a
    packed one holds; None where it would unpack.
    """
    if type(layer) is nn.Linear:
        return layer.weight
    held = layer.__dict__.get("forward")
    if isinstance(held, DenseForward) and held.used(training=training):
        return held.weight
    return None


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Compute with the packed weights inside the context, as wherever costs are measured."""
    held = [module.__dict__.get("forward") for module in model.modules()]
    copies = [forward for forward in held if isinstance(forward, DenseForward)]
    for copy in copies:
        copy.active = False
    try:
        yield
    finally:
        for copy in copies:
            copy.active = True
