"""Quantized weights of the frozen base, by bitsandbytes.

Only the blocks' linear layers are quantized; embeddings, norms and the output layer stay in the
trial's dtype. A weight that is exactly zero stays exactly zero: the codebooks of NF4 and FP4 hold
0, and int8 is symmetric, so a pruning mask survives.
"""

import sys
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from deft_sweeps.axes.verb import verb
from deft_sweeps.config.axes import Dtype
from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.layout import Layout
from deft_sweeps.extras import require

TORCH_DTYPES: dict[Dtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def quantize_(
    model: nn.Module, layout: Layout, quantization: Packing, dtype: Dtype, device: torch.device
) -> None:
    """Replace the blocks' linear layers by packed ones that compute in `dtype`, on `device`.

    The model must still be in float32, so that the scales are taken from full-precision weights.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
    """
    require("quantized")
    pack = verb(quantization)
    for linear in quantization.packed_linears(layout):
        dense = model.get_submodule(linear.name)
        if not isinstance(dense, nn.Linear):
            raise TypeError(f"{linear.name} is {type(dense).__name__}, not a dense linear layer")
        packed: nn.Module = pack(dense, linear, quantization, TORCH_DTYPES[dtype], device)
        model.set_submodule(linear.name, packed.requires_grad_(False).train(dense.training))


class PackedFormat(Protocol):
    """What the module of a packing's torch verb has besides it, for bases that are stored."""

    def packed_tensors(self, layer: nn.Module) -> dict[str, Tensor]:
        """The packed weights and their scales, by name; the bias is not among them."""

    def restored(
        self,
        dense: nn.Linear,
        linear: Any,
        quantization: Any,
        compute: torch.dtype,
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        """A layer over `packed_tensors` themselves, with the bias of `dense`."""


def packed_format(quantization: Packing) -> PackedFormat:
    """The module of the packing's torch verb."""
    module: Any = sys.modules[verb(quantization).__module__]
    return module  # type: ignore[no-any-return]


def packed_tensors(model: nn.Module, layout: Layout, quantization: Packing) -> dict[str, Tensor]:
    """Tensors of all packed layers, as `LAYER:NAME`."""
    return {
        f"{linear.name}:{name}": tensor
        for linear in quantization.packed_linears(layout)
        for name, tensor in packed_format(quantization)
        .packed_tensors(model.get_submodule(linear.name))
        .items()
    }


def restore_packed_(
    model: nn.Module,
    layout: Layout,
    quantization: Packing,
    dtype: Dtype,
    tensors: Mapping[str, Tensor],
) -> None:
    """Put packed layers over `packed_tensors` in place of the dense ones of an empty model.

    Raises:
        KeyError: a layer lacks one of its tensors.
    """
    by_layer: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        place, _, name = key.partition(":")
        by_layer.setdefault(place, {})[name] = tensor
    for linear in quantization.packed_linears(layout):
        dense: Any = model.get_submodule(linear.name)
        layer = packed_format(quantization).restored(
            dense, linear, quantization, TORCH_DTYPES[dtype], by_layer[linear.name]
        )
        model.set_submodule(linear.name, layer.requires_grad_(False).train(dense.training))
