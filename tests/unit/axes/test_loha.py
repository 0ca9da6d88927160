"""LoHa beside its formula, and what it cannot stand on."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Fp4, Int8, Nf4
from deft_sweeps.config.axes.peft import LoHa
from deft_sweeps.config.compat import illegal, shape_problems
from deft_sweeps.config.trial import TrialConfig
from tests.tiny import batch, layout_of, tiny_t5


def test_a_layer_adds_the_product_of_two_low_rank_matrices_entry_by_entry() -> None:
    model = tiny_t5()
    base = model.get_submodule("encoder.block.0.layer.1.DenseReluDense.wo")
    weight: Any = base.weight
    wrapped: Any = attach(model, layout_of(model), LoHa(r=3, alpha=6, targets=("down",)))
    factors = {
        name: p for name, p in trained_parameters(wrapped).items() if "encoder.block.0." in name
    }
    with torch.no_grad():
        for factor in factors.values():
            factor.normal_()
        a, b, c, d = (
            factors[next(n for n in factors if part in n)]
            for part in ("w1_a", "w1_b", "w2_a", "w2_b")
        )
        x = torch.randn(2, 5, 48)
        layer = wrapped.get_submodule("base_model.model.encoder.block.0.layer.1.DenseReluDense.wo")
        torch.testing.assert_close(
            layer(x), x @ (weight + 6 / 3 * (a @ b) * (c @ d)).T, rtol=1e-4, atol=1e-4
        )


def test_it_starts_as_the_base_and_learns() -> None:
    model, inputs = tiny_t5(), batch()
    with torch.no_grad():
        expected = model(**inputs).logits
    wrapped: Any = attach(model, layout_of(model), LoHa(r=4, targets=("q", "v", "gate", "down")))
    torch.testing.assert_close(wrapped(**inputs).logits, expected)
    trained = list(trained_parameters(wrapped).values())
    assert {p.dtype for p in trained} == {torch.float32}
    optimizer = torch.optim.AdamW(trained, lr=2e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = wrapped(**inputs, use_cache=False).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("quantization", [Nf4(), Fp4(double=True)])
def test_four_bit_weights_do_not_show_their_shape(quantization: Any) -> None:
    config = TrialConfig(peft=LoHa(), quantization=quantization)
    assert "LoHa needs the shape of each weight" in (illegal(config) or "")
    assert illegal(replace(config, quantization=Int8())) is None


def test_a_rank_beyond_the_layers_width_is_refused() -> None:
    problems = shape_problems(TrialConfig(peft=LoHa(r=40)), layout_of(tiny_t5()))
    assert problems == ["loha r 40 is more than the width of q, v"]
