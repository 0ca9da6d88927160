"""8-bit layers of bitsandbytes."""

import logging

import torch
from torch import nn

from deft_sweeps.config.axes.quantization.int8 import Int8
from deft_sweeps.config.layout import Linear


def pack(
    dense: nn.Linear, linear: Linear, quantization: Int8, compute: torch.dtype, device: torch.device
) -> nn.Module:
    """An 8-bit layer with the weights of a dense one, on `device`; it computes in the dtype of its
    input.
    """
    import bitsandbytes as bnb

    # Each forward pass of a layer says that its input is cast to float16, which is how the kernel
    # works.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    packed = bnb.nn.Linear8bitLt(
        linear.in_features,
        linear.out_features,
        bias=dense.bias is not None,
        has_fp16_weights=False,
        threshold=quantization.outlier_threshold,
        device="meta",
    )
    packed.weight = bnb.nn.Int8Params(
        dense.weight.data.cpu(), requires_grad=False, has_fp16_weights=False
    )
    packed.bias = dense.bias
    moved = packed.to(device)
    # Else the first forward pass would do it, in one fork of the base and not in the next.
    moved.init_8bit_state()
    done: nn.Module = moved
    return done
