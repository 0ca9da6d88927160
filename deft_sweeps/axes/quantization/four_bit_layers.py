"""NF4 and FP4 layers of bitsandbytes."""

import torch
from torch import nn

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

    # T5's MLP casts its input to the dtype that the last projection's weight shows: were the packed
    # bytes shown as uint8, the hidden
    # states would be cut to whole numbers and lose their gradient, without an error.
    storage = compute
    packed = bnb.nn.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=dense.bias is not None,
        compute_dtype=compute,
        compress_statistics=quantization.double,
        quant_type=quantization.kind,
        quant_storage=storage,
        device="meta",
    )
    packed.weight = bnb.nn.Params4bit(
        dense.weight.data,
        requires_grad=False,
        quant_type=quantization.kind,
        compress_statistics=quantization.double,
        quant_storage=storage,
        module=packed,
    )
    packed.bias = dense.bias
    # On processors with AVX512-BF16 an evaluation repacks the weights for a kernel without
    # autograd: training after it would
    # stand still, and saving after it would write repacked weights.
    packed.support_avx512bf16_for_cpu = False
    moved: nn.Module = packed.to(device)
    return moved
