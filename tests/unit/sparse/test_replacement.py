"""Models with sparse MLP blocks against themselves with their own."""

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import Gate, Gates, install_gates_, read_by, thresholded
from deft_sweeps.axes.adaptive import NoMlp
from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import ConfigError
from deft_sweeps.sparse import mlp_block, packed_rows
from deft_sweeps.sparse.mlp_block import PackedLinear, SparseDown, SparseGatedMlp
from deft_sweeps.sparse.replacement import sparse_mlp_
from tests.tiny import HEAD_FAMILIES, layout_of, tiny_encoder, tiny_t5

FAMILIES = ("t5 gated", "t5", *HEAD_FAMILIES)
THRESHOLD = 0.2


def tiny(family: str) -> tuple[nn.Module, Layout, Gates]:
    is_t5 = family.startswith("t5")
    model = tiny_t5(gated=family == "t5 gated") if is_t5 else tiny_encoder(family)
    shape = layout_of(model)
    gates = install_gates_(model, shape, "pretrained")
    for at in gates:
        at.gate.threshold = THRESHOLD
    return model, shape, gates


def output(model: Any, n_tokens: int, batch: int = 1) -> Tensor:
    torch.manual_seed(5)
    ids = torch.randint(4, 90, (batch, n_tokens))
    with torch.inference_mode():
        if hasattr(model, "decoder"):
            result: Tensor = model(input_ids=ids, decoder_input_ids=ids, use_cache=False).logits
        else:
            result = model(input_ids=ids).last_hidden_state
    return result


def off(result: Tensor, wanted: Tensor) -> float:
    return float((result.double() - wanted.double()).abs().max() / wanted.double().abs().max())


@pytest.mark.parametrize("n_tokens", [1, 7])
@pytest.mark.parametrize("passes", [0.0, 1e9])
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_those_of_the_dense_model(
    family: str, passes: float, n_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tokens one by one and in one dense product."""
    monkeypatch.setattr(mlp_block, "DENSE_PASSES", passes)
    model, shape, gates = tiny(family)
    wanted = output(model, n_tokens)
    assert sparse_mlp_(model, shape, gates, n_threads=2) == len(shape.blocks)
    assert off(output(model, n_tokens), wanted) < 1e-5
    assert not [
        one
        for one in model.modules()
        if isinstance(one, nn.Linear) and one.out_features == shape.d_ff
    ]


@pytest.mark.parametrize("family", ["t5 gated", "bert"])
def test_bfloat16_is_as_near_to_float32_as_the_dense_model(family: str) -> None:
    """One token: the kernel sums in float32 what torch rounds three times, so that its distance
    from float32 is at most 1.5 times torch's.
    """
    exact, _, _ = tiny(family)
    wanted = output(exact, 1)
    model, shape, gates = tiny(family)
    model.bfloat16()
    dense_off = off(output(model, 1), wanted)
    sparse_mlp_(model, shape, gates)
    assert 0 < off(output(model, 1), wanted) < 1.5 * dense_off


@pytest.mark.parametrize("n_tokens", [1, 9])
@pytest.mark.parametrize("family", ["t5 gated", "t5", "bert"])
def test_int8_is_that_of_the_dense_model_with_rounded_weights(family: str, n_tokens: int) -> None:
    model, shape, gates = tiny(family)
    rounded = copy.deepcopy(model)
    for linear in shape.linears:
        if linear.role in ("gate", "up", "down"):
            module: Any = rounded.get_submodule(linear.name)
            weight = module.weight
            by_row = weight.t() if linear.role == "down" else weight
            dense = packed_rows.pack_rows(by_row, "int8").dense(torch.float32)
            weight.data = dense.t() if linear.role == "down" else dense
    before = output(model, n_tokens)
    sparse_mlp_(model, shape, gates, storage="int8")
    result = output(model, n_tokens)
    assert off(result, output(rounded, n_tokens)) < 1e-5
    assert off(result, before) > 1e-4


def test_the_threshold_and_the_reader_stay_the_gate_s() -> None:
    model, shape, gates = tiny("t5 gated")
    sparse_mlp_(model, shape, gates)
    shares: list[float] = []

    def read(_: Tensor, gate: Tensor) -> None:
        assert gate.dim() == 3
        shares.append(float((gate != 0).float().mean()))

    with read_by(gates, [read] * len(gates)):
        output(model, 1)
        with thresholded(gates, 1e9):
            output(model, 1)
    n = len(gates)
    assert len(shares) == 2 * n
    assert 0 < sum(shares[:n]) < n
    assert sum(shares[n:]) == 0


def test_a_removed_block_is_left_alone() -> None:
    model, shape, gates = tiny("t5 gated")
    block = shape.blocks[0]
    model.set_submodule(block.mlp, NoMlp())
    gates[0].gate.skipped = True
    wanted = output(model, 1)
    assert sparse_mlp_(model, shape, gates) == len(gates) - 1
    assert off(output(model, 1), wanted) < 1e-5


def test_lora_on_the_mlp_is_refused_until_it_is_merged() -> None:
    model, shape, gates = tiny("t5 gated")
    wrapped: Any = get_peft_model(model, LoraConfig(target_modules=["q", "wo"], r=2))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter)
    with pytest.raises(ConfigError, match="merge it first") as error:
        sparse_mlp_(wrapped, shape, gates)
    assert len(error.value.problems) == len(shape.blocks)
    assert not [one for one in wrapped.modules() if isinstance(one, SparseGatedMlp)]
    wanted = output(wrapped.base_model.model, 1)
    merged = wrapped.merge_and_unload()
    sparse_mlp_(merged, shape, gates)
    assert off(output(merged, 1), wanted) < 1e-5


def test_lora_elsewhere_stays() -> None:
    model, shape, gates = tiny("t5 gated")
    wrapped: Any = get_peft_model(model, LoraConfig(target_modules=["q"], r=2))
    wanted = output(wrapped.base_model.model, 1)
    assert sparse_mlp_(wrapped, shape, gates) == len(shape.blocks)
    assert off(output(wrapped.base_model.model, 1), wanted) < 1e-5


def test_the_base_of_a_head_is_found() -> None:
    model, shape, gates = tiny("bert")
    whole = nn.ModuleDict({"encoder_of_head": model})
    wanted = output(model, 4)
    assert sparse_mlp_(whole, shape, gates) == len(shape.blocks)
    assert off(output(model, 4), wanted) < 1e-5


def test_an_infinite_input_gives_what_the_dense_block_gives() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(6, 5) for _ in range(3)]
    rows = [packed_rows.pack_rows(weight, "fp32") for weight in weights]
    block = SparseGatedMlp(rows[0], rows[1], rows[2], Gate("relu"), 1)
    for value in (float("inf"), float("nan")):
        x = torch.randn(1, 1, 5)
        x[0, 0, 2] = value
        gate = torch.relu(x @ weights[0].t())
        wanted = (gate * (x @ weights[1].t())) @ weights[2]
        assert torch.equal(block(x).isnan(), wanted.isnan())


def test_biases_are_added() -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 5), torch.randn(6)
    x = torch.randn(1, 5)
    packed = packed_rows.pack_rows(weight, "fp32")
    assert off(PackedLinear(packed, bias, 1)(x), x @ weight.t() + bias) < 1e-5
    down = packed_rows.pack_rows(weight.t(), "fp32")
    assert off(SparseDown(down, bias, 1)(x), x @ weight.t() + bias) < 1e-5
