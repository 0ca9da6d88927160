"""LoRA's layers in one differentiable step on the CPU.

y = x W^T + s (x A^T) B^T. peft copies x to float32 for A, and B's output and x W^T for their sum,
and autograd keeps the copies. The kernel reads x as it is, adds the update to x W^T where that
lies, and takes three thin products in the backward pass; it keeps x alone. Sums are float32, as
peft's, in another order: outputs agree to float32's rounding, and in bfloat16 to one rounding of
the result. Saving, loading and merging are peft's own.

Everything else is left to peft: a GPU, dropout while training, DoRA, masked updates, training on
packed weights that have no dense copy.
"""

from functools import cache
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from deft_sweeps.axes.quantization.dense_copy import dense_weight
from deft_sweeps.kernels.trial_library import gradient, project, update_, usable


class _Fused:
    """Put before a layer class of peft."""

    def forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Peft's result; see the module."""
        if args or kwargs or not _is_plain(self) or not usable(x):
            return super().forward(x, *args, **kwargs)  # type: ignore[misc, no-any-return]
        (adapter,) = self.active_adapters
        base, a, b = self.get_base_layer(), self.lora_A[adapter].weight, self.lora_B[adapter].weight
        weight, scale = dense_weight(base, training=self.training), self.scaling[adapter]
        if weight is not None and weight.dtype == x.dtype:
            return _LowRankLinear.apply(  # type: ignore[no-any-return, no-untyped-call]
                x, weight, base.bias, a, b, scale
            )
        if torch.is_grad_enabled():
            return super().forward(x)  # type: ignore[misc, no-any-return]
        out: Tensor = base(x)
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        update_(out.view(len(rows), -1), project(rows, a), b.t(), scale)
        return out


def _is_plain(layer: Any) -> bool:
    """Whether the layer computes one unmerged LoRA and nothing else."""
    adapters = layer.active_adapters
    if layer.disable_adapters or layer.merged or layer.lora_variant or len(adapters) != 1:
        return False
    (adapter,) = adapters
    if adapter not in layer.lora_A or layer.lora_A[adapter].weight.dtype != torch.float32:
        return False
    return not layer.training or isinstance(layer.lora_dropout[adapter], nn.Identity)


def fuse_updates_(model: nn.Module) -> None:
    """Let the LoRA layers of a model that peft has wrapped compute in one step where they can."""
    for module in model.modules():
        if type(module) is Linear or type(module).__module__ == "peft.tuners.lora.bnb":
            layer: Any = type(module)
            module.__class__ = _fused(layer)


@cache
def _fused(layer_class: Any) -> Any:
    return type(layer_class.__name__, (_Fused, layer_class), {"__doc__": _Fused.__doc__})


class _LowRankLinear(torch.autograd.Function):
    """Arguments are x, W (out, in), the bias or None, A (r, in), B (out, r) and the scale."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scale: float,
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        thin = project(rows, a)
        out = functional.linear(rows, weight, bias)
        update_(out, thin, b.t(), scale)
        ctx.save_for_backward(rows, weight, a, b, thin)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        rows, weight, a, b, thin = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1]).contiguous()
        grad_thin = project(grad, b.t(), ctx.scale)
        grad_a = gradient(grad_thin, rows) if ctx.needs_input_grad[3] else None
        grad_b = gradient(thin, grad, ctx.scale).t() if ctx.needs_input_grad[4] else None
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = update_(grad @ weight, grad_thin, a).view(ctx.shape)
        return grad_x, None, None, grad_a, grad_b, None
