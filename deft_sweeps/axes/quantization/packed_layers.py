"""Quantized weights of the frozen base, by bitsandbytes.

Only the blocks' linear layers are quantized; embeddings, norms and the output layer stay in the
trial's dtype. A weight that is exactly zero stays exactly zero: the codebooks of NF4 and FP4 hold
0, and int8 is symmetric, so a pruning mask survives.
"""

import torch
from torch import nn

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
