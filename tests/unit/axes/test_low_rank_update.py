"""LoRA in one step against peft's own arithmetic."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.peft import low_rank_update
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Lora
from deft_sweeps.kernels.trial_library import library
from deft_sweeps.trial.base import cast_
from tests.tiny import batch, layout_of, tiny_t5

TARGETS: Any = ("q", "v", "gate", "down")
needs_kernel = pytest.mark.skipif(library() is None, reason="no compiler at installation")


def lora_model(dtype: torch.dtype = torch.float32, **settings: Any) -> nn.Module:
    model = tiny_t5()
    cast_(model, dtype)
    wrapped = attach(model, layout_of(model), Lora(r=4, targets=TARGETS, **settings))
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in trained_parameters(wrapped).values():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return wrapped


def logits_and_gradients(model: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    out = model(**batch())
    out.loss.backward()
    return out.logits.detach(), {
        name: p.grad.clone() for name, p in trained_parameters(model).items() if p.grad is not None
    }


@needs_kernel
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_outputs_and_gradients_are_pefts_in_float32(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = getattr(lora_model(), mode)()
    logits, gradients = logits_and_gradients(model)
    monkeypatch.setattr(low_rank_update, "usable", lambda *_: False)
    wanted, of_peft = logits_and_gradients(model)
    torch.testing.assert_close(logits, wanted, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == of_peft.keys()
    for name, gradient in gradients.items():
        scale = float(of_peft[name].abs().max())
        torch.testing.assert_close(gradient, of_peft[name], rtol=1e-4, atol=1e-4 * scale)


@needs_kernel
def test_one_layer_in_bfloat16_differs_by_one_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = lora_model(torch.bfloat16).train()
    layer = next(m for m in model.modules() if hasattr(m, "lora_A"))
    x = torch.randn(5, 32).bfloat16().requires_grad_()
    out = layer(x)
    (grad,) = torch.autograd.grad(out.float().square().sum(), x)
    monkeypatch.setattr(low_rank_update, "usable", lambda *_: False)
    wanted = layer(x)
    (of_peft,) = torch.autograd.grad(wanted.float().square().sum(), x)
    torch.testing.assert_close(out, wanted, rtol=2**-7, atol=1e-4)
    torch.testing.assert_close(grad, of_peft, rtol=2**-5, atol=2**-5 * float(of_peft.abs().max()))
    assert out.dtype == torch.bfloat16


@pytest.mark.parametrize("settings", [{"dora": True}, {"dropout": 0.3}])
def test_what_is_not_plain_lora_is_left_to_peft(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("the kernel was called")

    monkeypatch.setattr(low_rank_update, "project", refuse)
    model = lora_model(**settings).train()
    assert bool(model(**batch()).loss.isfinite())


def test_a_merged_model_computes_the_same() -> None:
    model: Any = lora_model().eval()
    with torch.no_grad():
        before = model(**batch()).logits
        merged = model.merge_and_unload()
        torch.testing.assert_close(merged(**batch()).logits, before, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(m, low_rank_update._Fused) for m in merged.modules())


def test_disabled_adapters_leave_the_base() -> None:
    model: Any = lora_model().eval()
    base = tiny_t5()
    with torch.no_grad(), model.disable_adapter():
        assert torch.equal(model(**batch()).logits, base(**batch()).logits)
