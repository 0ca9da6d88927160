from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation import install_gates_
from deft_sweeps.axes.density import DensityMeter, Masks
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Adapter, Lora
from deft_sweeps.errors import ConfigError
from tests.tiny import batch, layout_of, tiny_t5

METHODS = [Lora(r=4), Lora(r=2, targets=("q", "k", "v", "o", "gate", "up", "down")), Adapter(reduction=4)]


@pytest.mark.parametrize("method", METHODS)
def test_identity_when_attached_so_output_and_density_are_the_bases(method: Any) -> None:
    inputs = batch()

    def measure(attached: bool) -> tuple[torch.Tensor, float]:
        model = tiny_t5()
        layout = layout_of(model)
        gates = install_gates_(model, layout, "relu")
        wrapped: Any = attach(model, layout, method).eval() if attached else model
        meter = DensityMeter(gates)
        with torch.no_grad(), meter.reading(Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())):
            return wrapped(**inputs).logits, meter.result().overall

    torch.testing.assert_close(measure(True)[0], measure(False)[0])
    assert measure(True)[1] == measure(False)[1]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_method_trains_and_it_does(method: Any) -> None:
    model = tiny_t5()
    frozen = {name: p.clone() for name, p in model.named_parameters()}
    wrapped: Any = attach(model, layout_of(model), method)
    trained = trained_parameters(wrapped)
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    before = {name: p.clone() for name, p in trained.items()}
    for _ in range(3):
        optimizer.zero_grad()
        wrapped(**batch(), use_cache=False).loss.backward()
        optimizer.step()
    assert all(not torch.equal(p, before[name]) for name, p in trained.items())
    held = [p for p in wrapped.parameters() if not p.requires_grad]
    assert len(held) == len(frozen)
    for original, now in zip(frozen.values(), held, strict=True):
        assert torch.equal(original, now)


def test_parameter_counts_are_the_formulas() -> None:
    model = tiny_t5()
    layout = layout_of(model)
    lora = attach(model, layout, Lora(r=4, targets=("q", "v")))
    n_attentions = 2 + 2 * 3
    assert sum(p.numel() for p in trained_parameters(lora).values()) == n_attentions * 2 * 4 * (32 + 32)
    model = tiny_t5()
    adapted = attach(model, layout, Adapter(reduction=4))
    assert sum(p.numel() for p in trained_parameters(adapted).values()) == 5 * (32 * 8 + 8 + 8 * 32 + 32)


def test_a_target_that_the_family_lacks_is_refused_with_those_it_has() -> None:
    model = tiny_t5(gated=False)
    with pytest.raises(ConfigError, match="no layer up; it has down, gate, k, o, q, v"):
        attach(model, layout_of(model), Lora(targets=("q", "up")))


def test_an_adapter_cannot_change_the_first_encoder_blocks_density() -> None:
    """It sits after the MLP, so nothing trainable comes before the first gate; LoRA on the gate does change it."""

    def first_block(method: Any) -> float:
        model, inputs = tiny_t5(), batch()
        layout = layout_of(model)
        gates = install_gates_(model, layout, "relu")
        wrapped: Any = attach(model, layout, method)
        with torch.no_grad():
            for parameter in trained_parameters(wrapped).values():
                parameter.add_(torch.randn_like(parameter))
            meter = DensityMeter(gates)
            with meter.reading(Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())):
                wrapped.eval()(**inputs)
        reading = meter.result()
        assert reading.encoder_blocks[1] > 0
        return reading.encoder_blocks[0]

    torch.manual_seed(1)
    assert first_block(Adapter(reduction=4)) == first_block(Adapter(reduction=8))
    assert first_block(Lora(targets=("gate",))) != first_block(Adapter(reduction=4))
