"""8-bit layers of bitsandbytes."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.config.axes.quantization.int8 import Int8
from deft_sweeps.config.layout import Linear


def pack(
    dense: nn.Linear, linear: Linear, quantization: Int8, compute: torch.dtype, device: torch.device
) -> nn.Module:
    """An 8-bit layer with the weights of a dense one, on `device`; it computes in the dtype of its
    input.
    """
    import bitsandbytes as bnb

    packed = _without_weights(dense, linear, quantization)
    packed.weight = bnb.nn.Int8Params(
        dense.weight.data.cpu(), requires_grad=False, has_fp16_weights=False
    )
    moved = packed.to(device)
    # Else the first forward pass would do it, in one fork of the base and not in the next.
    moved.init_8bit_state()
    done: nn.Module = moved
    return done


def packed_tensors(layer: Any) -> dict[str, Tensor]:
    """The packed weights and their scales, by name; the bias is not among them."""
    return {"packed": layer.state.CB, "scales": layer.state.SCB}


def restored(
    dense: nn.Linear,
    linear: Linear,
    quantization: Int8,
    compute: torch.dtype,
    tensors: Mapping[str, Tensor],
) -> nn.Module:
    """The layer that `packed_tensors` was asked of, over `tensors` themselves.

    Args:
        dense: of the same shape; only its bias is looked at.
        linear: the layer's place.
        quantization: as it was packed.
        compute: of no effect, since the layer computes in the dtype of its input.
        tensors: what `packed_tensors` gave.
    """
    import bitsandbytes as bnb

    layer = _without_weights(dense, linear, quantization)
    layer.weight = bnb.nn.Int8Params(
        tensors["packed"],
        requires_grad=False,
        has_fp16_weights=False,
        CB=tensors["packed"],
        SCB=tensors["scales"],
    )
    layer.init_8bit_state()
    done: nn.Module = layer
    return done


def _without_weights(dense: nn.Linear, linear: Linear, quantization: Int8) -> Any:
    import bitsandbytes as bnb

    # Each forward pass of a layer says that its input is cast to float16, which is how the kernel
    # works.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    layer = bnb.nn.Linear8bitLt(
        linear.in_features,
        linear.out_features,
        bias=dense.bias is not None,
        has_fp16_weights=False,
        threshold=quantization.outlier_threshold,
        device="meta",
    )
    layer.bias = dense.bias
    return layer
