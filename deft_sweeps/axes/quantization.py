"""Quantized weights of the frozen base, by bitsandbytes.

Only the blocks' linear layers are quantized; embeddings, norms and the output layer stay in the trial's dtype. A weight that is exactly
zero stays exactly zero: NF4's codebook holds 0, so a pruning mask survives.
"""

import torch
from torch import nn

from deft_sweeps.config.axes import Dtype, Nf4
from deft_sweeps.models.families import Layout

TORCH_DTYPES: dict[Dtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def quantize_(model: nn.Module, layout: Layout, quantization: Nf4, dtype: Dtype, device: torch.device) -> None:
    """Replace every block's linear layers by 4-bit ones that compute in `dtype`, on `device`.

    The model must still be in float32, so that the scales are taken from full-precision weights.
    """
    import bitsandbytes as bnb

    # T5's MLP casts its input to the dtype that the last projection's weight shows: were the packed bytes shown as uint8, the hidden
    # states would be cut to whole numbers and lose their gradient, without an error.
    storage = TORCH_DTYPES[dtype]
    for block in layout.blocks:
        for linear in block.linears:
            dense = model.get_submodule(linear.name)
            if not isinstance(dense, nn.Linear):
                raise TypeError(f"{linear.name} is {type(dense).__name__}, not a dense linear layer")
            packed = bnb.nn.Linear4bit(
                linear.in_features,
                linear.out_features,
                bias=dense.bias is not None,
                compute_dtype=storage,
                compress_statistics=quantization.double,
                quant_type="nf4",
                quant_storage=storage,
                device="meta",
            )
            packed.weight = bnb.nn.Params4bit(
                dense.weight.data,
                requires_grad=False,
                quant_type="nf4",
                compress_statistics=quantization.double,
                quant_storage=storage,
                module=packed,
            )
            packed.bias = dense.bias
            # On processors with AVX512-BF16 an evaluation repacks the weights for a kernel without autograd: training after it would
            # stand still, and saving after it would write repacked weights.
            packed.support_avx512bf16_for_cpu = False
            packed.requires_grad_(False)
            model.set_submodule(linear.name, packed.to(device))
