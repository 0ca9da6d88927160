from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import Gate, install_gates_, thresholded
from deft_sweeps.errors import CheckpointError
from tests.tiny import batch, layout_of, tiny_t5


@pytest.mark.parametrize("gated", [True, False])
def test_gates_of_the_pretrained_function_change_nothing(gated: bool) -> None:
    model = tiny_t5(gated)
    with torch.no_grad():
        before = model(**batch()).logits
        gates = install_gates_(model, layout_of(model), "pretrained")
        torch.testing.assert_close(model(**batch()).logits, before, rtol=1e-4, atol=1e-4)
    assert [(at.stack, at.index) for at in gates] == [
        ("encoder", 0),
        ("encoder", 1),
        ("decoder", 0),
        ("decoder", 1),
        ("decoder", 2),
    ]


def test_relu_swapped_in_gives_exact_zeros() -> None:
    model = tiny_t5()
    install_gates_(model, layout_of(model), "relu")
    x = torch.randn(2, 3, 32)
    mlp: Any = model.get_submodule("encoder.block.0.layer.1.DenseReluDense")
    gate = torch.relu(mlp.wi_0(x))
    torch.testing.assert_close(mlp(x), mlp.wo(gate * mlp.wi_1(x)))


def test_a_zero_gate_makes_the_product_exactly_zero() -> None:
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")
    products: list[torch.Tensor] = []
    wo = model.get_submodule("encoder.block.0.layer.1.DenseReluDense.wo")
    wo.register_forward_pre_hook(lambda _m, args: products.append(args[0]))
    gate_outputs: list[torch.Tensor] = []
    gates[0].gate.register_forward_hook(lambda _m, _a, out: gate_outputs.append(out))
    with torch.no_grad(), thresholded(gates, 0.3):
        model(**batch())
    zero = gate_outputs[0] == 0
    assert 0 < int(zero.sum()) < zero.numel()
    assert bool((products[0][zero] == 0).all())


def test_threshold_zeroes_what_is_at_or_below_it_and_is_put_back() -> None:
    gate = Gate("relu")
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")
    gate.threshold = 0.5
    assert gate(torch.tensor([-1.0, 0.4, 0.5, 0.6])).tolist() == pytest.approx([0, 0, 0, 0.6])
    with thresholded(gates, 0.2):
        assert {at.gate.threshold for at in gates} == {0.2}
    assert {at.gate.threshold for at in gates} == {0.0}


def test_a_threshold_hides_no_nan() -> None:
    gate = Gate("relu")
    gate.threshold = 0.5
    out = gate(torch.tensor([float("nan"), 0.5, 2.0]))
    assert out.isnan().tolist() == [True, False, False]
    assert out[1:].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("threshold", [1e-7, 0.1, 0.5])
def test_a_threshold_drops_entries_bit_for_bit_as_a_comparison_does(threshold: float) -> None:
    gate = Gate("gelu_new")
    x = torch.cat([torch.randn(4000) * 2, torch.tensor([threshold, -threshold])])
    entries = gate(x)
    gate.threshold = threshold
    wanted = torch.where(entries.abs() > torch.tensor(threshold), entries, 0.0)
    assert torch.equal(gate(x), wanted)


def test_gate_computes_in_float32_and_answers_in_the_inputs_dtype() -> None:
    x = torch.full((1,), -4.0, dtype=torch.bfloat16)
    out = Gate("gelu_new")(x)
    assert out.dtype == torch.bfloat16
    assert float(out) != 0.0
    assert float(Gate("gelu_new").native(x)) == 0.0


@pytest.mark.parametrize("function", ["relu", "gelu", "gelu_new", "silu"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_native_zeros_are_counted_as_the_activation_in_that_dtype_has_them(
    function: str, dtype: torch.dtype
) -> None:
    gate = Gate(function)
    x = (3 * torch.randn(3, 7, 1001)).to(dtype)
    x[0, 0, :4] = torch.tensor([0.0, -0.0, float("nan"), 1e-4], dtype=dtype)
    shares = gate.native_shares(x)
    assert torch.equal(shares, (gate.native(x) != 0).float().mean(-1))
    assert shares.dtype == torch.float32
    if dtype != torch.float32:  # In float32 torch rounds otherwise on non-contiguous input.
        assert torch.equal(gate.native_shares(x.transpose(0, 1)), shares.T)


def test_a_gate_with_a_function_of_its_own_is_counted_by_that_function() -> None:
    gate = Gate("relu", compute=lambda x: x.clamp(max=0.0))
    x = torch.tensor([[[-1.0, 2.0, 3.0, 4.0]]], dtype=torch.bfloat16)
    assert gate.native_shares(x).item() == 0.25


def test_unknown_activation_lists_those_known() -> None:
    with pytest.raises(CheckpointError, match="gelu_new"):
        Gate("mish")
