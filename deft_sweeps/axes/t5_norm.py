"""T5's norm in one pass on the CPU.

transformers computes the root mean square, the quotient and the product with the weight one after
the other, in bfloat16 with float32 copies between them. The kernel reads the input once, rounds
where transformers rounds, and keeps one number a token for the backward pass. A GPU, a weight that
trains, and an installation without kernels are left to transformers.
"""

from typing import Any

from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable
from transformers.models.t5.modeling_t5 import T5LayerNorm

from deft_sweeps.kernels.trial_library import norm_backward, norm_forward, usable


class T5Norm(T5LayerNorm):  # type: ignore[misc]  # transformers' layers are not typed
    """transformers' layer with its arithmetic in one pass."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(..., d_model) to the same shape and dtype."""
        x, weight = hidden_states, self.weight
        if weight.requires_grad or x.dtype != weight.dtype or not usable(x, weight):
            return super().forward(x)  # type: ignore[no-any-return]
        return _Norm.apply(x, weight, self.variance_epsilon)  # type: ignore[no-any-return, no-untyped-call]


def fuse_norms_(model: nn.Module) -> None:
    """Let a model's T5 norms compute in one pass where they can; other models stay as they are."""
    for module in model.modules():
        if type(module) is T5LayerNorm:
            module.__class__ = T5Norm


class _Norm(Function):
    """Arguments are the input, the weight, which does not train, and eps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        x = x.contiguous()
        out, scales = norm_forward(x, weight, eps)
        ctx.save_for_backward(x, weight, scales)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, weight, scales = ctx.saved_tensors
        return norm_backward(x, weight, scales, grad.contiguous()), None, None
