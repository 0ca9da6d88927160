"""Quantized weights of the frozen base, by bitsandbytes.

Only the blocks' linear layers are quantized; embeddings, norms and the output layer stay in the trial's dtype. A weight that is exactly
zero stays exactly zero: the codebooks of NF4 and FP4 hold 0, and int8 is symmetric, so a pruning mask survives.
"""

import logging
from typing import assert_never

import torch
from torch import nn

from deft_sweeps.config.axes import Dtype, Fp4, Int8, Nf4
from deft_sweeps.config.layout import Layout, Linear
from deft_sweeps.models.legality import packed_linears

TORCH_DTYPES: dict[Dtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def quantize_(model: nn.Module, layout: Layout, quantization: Nf4 | Fp4 | Int8, dtype: Dtype, device: torch.device) -> None:
    """Replace the blocks' linear layers by packed ones that compute in `dtype`, on `device`.

    The model must still be in float32, so that the scales are taken from full-precision weights.
    """
    for linear in packed_linears(quantization, layout):
        dense = model.get_submodule(linear.name)
        if not isinstance(dense, nn.Linear):
            raise TypeError(f"{linear.name} is {type(dense).__name__}, not a dense linear layer")
        match quantization:
            case Nf4() | Fp4():
                packed = _four_bits(dense, linear, quantization, TORCH_DTYPES[dtype], device)
            case Int8():
                packed = _eight_bits(dense, linear, quantization, device)
            case _:
                assert_never(quantization)
        model.set_submodule(linear.name, packed.requires_grad_(False).train(dense.training))


def _four_bits(dense: nn.Linear, linear: Linear, quantization: Nf4 | Fp4, compute: torch.dtype, device: torch.device) -> nn.Module:
    import bitsandbytes as bnb

    # T5's MLP casts its input to the dtype that the last projection's weight shows: were the packed bytes shown as uint8, the hidden
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
    # On processors with AVX512-BF16 an evaluation repacks the weights for a kernel without autograd: training after it would
    # stand still, and saving after it would write repacked weights.
    packed.support_avx512bf16_for_cpu = False
    moved: nn.Module = packed.to(device)
    return moved


def _eight_bits(dense: nn.Linear, linear: Linear, quantization: Int8, device: torch.device) -> nn.Module:
    import bitsandbytes as bnb

    # Each forward pass of a layer says that its input is cast to float16, which is how the kernel works.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    packed = bnb.nn.Linear8bitLt(
        linear.in_features,
        linear.out_features,
        bias=dense.bias is not None,
        has_fp16_weights=False,
        threshold=quantization.outlier_threshold,
        device="meta",
    )
    packed.weight = bnb.nn.Int8Params(dense.weight.data.cpu(), requires_grad=False, has_fp16_weights=False)
    packed.bias = dense.bias
    moved = packed.to(device)
    # Else the first forward pass would do it, in one fork of the base and not in the next.
    moved.init_8bit_state()
    done: nn.Module = moved
    return done
