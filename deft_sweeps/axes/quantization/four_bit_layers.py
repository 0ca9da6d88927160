"""NF4 and FP4 layers of bitsandbytes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.config.axes.quantization.four_bit import FourBit
from deft_sweeps.config.layout import Linear


def pack(
    dense: nn.Linear,
    linear: Linear,
    quantization: FourBit,
    compute: torch.dtype,
    device: torch.device,
) -> nn.Module:
    """A 4-bit layer with the weights of a dense one, on `device`."""
    import bitsandbytes as bnb

    packed = _without_weights(dense, linear, quantization, compute)
    packed.weight = bnb.nn.Params4bit(
        dense.weight.data,
        requires_grad=False,
        quant_type=quantization.kind,
        compress_statistics=quantization.double,
        quant_storage=packed.quant_storage,
        module=packed,
    )
    moved: nn.Module = packed.to(device)
    return moved


def packed_tensors(layer: Any) -> dict[str, Tensor]:
    """The packed weights and their scales, by name; the bias is not among them."""
    state: dict[str, Tensor] = layer.weight.quant_state.as_dict(packed=True)
    return {"packed": layer.weight.data, **state}


def restored(
    dense: nn.Linear,
    linear: Linear,
    quantization: FourBit,
    compute: torch.dtype,
    tensors: Mapping[str, Tensor],
) -> nn.Module:
    """The layer that `packed_tensors` was asked of, over `tensors` themselves where they are on the
    CPU.

    Args:
        dense: of the same shape; only its bias is looked at.
        linear: the layer's place.
        quantization: as it was packed.
        compute: dtype that it computes in.
        tensors: what `packed_tensors` gave.
    """
    import bitsandbytes as bnb

    layer: Any = _without_weights(dense, linear, quantization, compute)
    scales = {name: tensor for name, tensor in tensors.items() if name != "packed"}
    layer.weight = bnb.nn.Params4bit.from_prequantized(
        tensors["packed"], scales, device="cpu", module=layer
    )
    done: nn.Module = layer
    return done


def _without_weights(
    dense: nn.Linear, linear: Linear, quantization: FourBit, compute: torch.dtype
) -> Any:
    import bitsandbytes as bnb

    layer = bnb.nn.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=dense.bias is not None,
        compute_dtype=compute,
        compress_statistics=quantization.double,
        quant_type=quantization.kind,
        # T5's MLP casts its input to the dtype that the last projection's weight shows: were the
        # packed bytes shown as uint8, the hidden states would be cut to whole numbers and lose
        # their gradient, without an error.
        quant_storage=compute,
        device="meta",
    )
    layer.bias = dense.bias
    # On processors with AVX512-BF16 an evaluation repacks the weights for a kernel without
    # autograd: training after it would stand still, and saving after it would write repacked
    # weights.
    layer.support_avx512bf16_for_cpu = False
    return layer
