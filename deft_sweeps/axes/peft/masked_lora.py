"""LoRA updates that are zero wherever the frozen base is, so that a merge keeps the zeros (the idea
of SparsePEFT, arXiv 2410.03750).

y = x W^T + scale * x (M * (B A))^T with M = (W != 0). The product B A is formed whole in every
pass; M is read off the base, so that nothing is stored for it. Of a packed base M is the zeros of
the weights that it stands for, which are the pruned ones and those that quantization rounds to
zero.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def mask_updates_(model: nn.Module) -> None:
    """Mask every LoRA update of a model that peft has wrapped."""
    from peft.tuners.lora.layer import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer):
            for adapter in module.lora_A:
                module.lora_variant[adapter] = _Masked()


def masked_update(layer: Any, adapter: str) -> Tensor:
    """(out, in): scale * (W != 0) * (B A), of a peft LoRA layer."""
    from peft.utils.integrations import dequantize_module_weight

    update: Tensor = layer.get_delta_weight(adapter)
    with torch.no_grad():
        base = layer.get_base_layer()
        # An int8 weight is zero where its byte is.
        nonzero = (
            base.weight if base.weight.dtype == torch.int8 else dequantize_module_weight(base)
        ) != 0
    return torch.where(nonzero, update, 0.0)


class _Masked:
    """What a peft LoRA layer asks in place of its own arithmetic; the shape is peft's
    `LoraVariant`.
    """

    @staticmethod
    def forward(layer: Any, active_adapter: str, x: Tensor, result: Tensor, **_: Any) -> Tensor:
        return result + functional.linear(
            layer.lora_dropout[active_adapter](x), masked_update(layer, active_adapter)
        )

    @staticmethod
    def merge_safe(layer: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        return orig_weight + masked_update(layer, active_adapter).to(orig_weight.dtype)

    @staticmethod
    def merge_unsafe(layer: Any, active_adapter: str, orig_weight: Tensor) -> None:
        orig_weight.data += masked_update(layer, active_adapter).to(orig_weight.dtype)

    @staticmethod
    def unmerge(layer: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        return orig_weight.data - masked_update(layer, active_adapter).to(orig_weight.dtype)

    @staticmethod
    def supports_lora_conversion() -> bool:
        return False
