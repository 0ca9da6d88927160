"""Block gates: the identity when open, nothing when closed, and which blocks go."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.axes.adaptive import (
    GatedBlocks,
    gate_blocks_,
    removed_linears,
    removed_parameters,
    soft_steps,
    step_size,
    to_remove,
)
from deft_sweeps.axes.decoding import GenerationMeter
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.axes.density_probe import DensityProbe, combine
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import AdaDeft, Adapter, DensityLoss, Lora
from tests.tiny import HEAD_FAMILIES, batch, layout_of, tiny_encoder, tiny_t5

METHODS = [Lora(r=4, targets=("q", "gate", "down")), Adapter(reduction=4)]
DEFT = DensityLoss(weight=1.0, eps=1e-2)


def masks_of(inputs: dict[str, Tensor]) -> Masks:
    return Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())


def made(
    method: Any,
    *,
    gated: bool = True,
    whole_branch: bool = True,
    dtype: torch.dtype = torch.float32,
) -> tuple[Any, Any, Any]:
    """A tiny model whose adapters have moved away from the identity, its activations' gates, and
    its block gates.
    """
    model = tiny_t5().to(dtype)
    layout = layout_of(model)
    if not whole_branch:
        layout = replace(
            layout, blocks=tuple(replace(block, residual="") for block in layout.blocks)
        )
    gates = install_gates_(model, layout, "relu")
    torch.manual_seed(3)
    wrapped = attach(model, layout, method)
    with torch.no_grad():
        for parameter in trained_parameters(wrapped).values():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    blocks = gate_blocks_(model, layout, gates, AdaDeft()) if gated else None
    return wrapped, gates, blocks


def set_gates(blocks: GatedBlocks, values: dict[int, float]) -> None:
    with torch.no_grad():
        for number, value in values.items():
            blocks.block_gates[number].fill_(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_open_gates_leave_outputs_and_adapter_gradients_as_they_are(
    method: Any, dtype: torch.dtype
) -> None:
    def run(gated: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
        model, gates, blocks = made(method, gated=gated, dtype=dtype)
        inputs = batch()
        gate_ids = {id(gate) for gate in blocks.block_gates} if blocks else set()
        adapters = [p for p in trained_parameters(model).values() if id(p) not in gate_ids]
        shares = blocks.shares if blocks else None
        with DensityProbe(gates, DEFT, shares) as probe, probe.reading(masks_of(inputs)) as reading:
            out = model(**inputs, use_cache=False)
        density = combine(reading.encoder, reading.decoder, DEFT)
        (out.loss + density).backward()
        if blocks:
            assert all(
                gate.grad is not None and gate.grad.dtype == torch.float32 and gate.grad != 0
                for gate in blocks.block_gates
            )
        return out.logits, density, [p.grad for p in adapters if p.grad is not None]

    plain, gated = run(False), run(True)
    assert torch.equal(plain[0], gated[0])
    assert torch.equal(plain[1], gated[1])
    assert len(plain[2]) == len(gated[2]) > 0
    assert all(torch.equal(a, b) for a, b in zip(plain[2], gated[2], strict=True))


@pytest.mark.parametrize("whole_branch", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_a_closed_gate_and_a_removed_block_give_identical_outputs(
    method: Any, whole_branch: bool
) -> None:
    model, _, blocks = made(method, whole_branch=whole_branch)
    set_gates(blocks, {0: 0.0, 1: 0.7, 3: 0.5, 4: 0.51})
    with torch.no_grad():
        soft = model(**batch()).logits
        n_before = sum(p.numel() for p in model.parameters())
        blocks.remove_(blocks.choose())
        hard = model(**batch()).logits
    assert torch.equal(soft, hard)
    assert blocks.removed == (0, 3)
    values = blocks.values()
    assert values.encoder == pytest.approx((0.0, 0.7))
    assert values.decoder == pytest.approx((1.0, 0.0, 0.51))
    assert sum(p.numel() for p in model.parameters()) < n_before - 2 * 3 * 32 * 48


@pytest.mark.parametrize("value", [0.2, 0.8])
def test_a_gates_gradient_is_that_of_a_plain_factor(value: float) -> None:
    """Straight through: the sum over all entries of gradient times output, whether the block is
    closed or open.
    """
    model, _, blocks = made(Adapter(reduction=4))
    seen: dict[str, Tensor] = {}
    mlp = blocks.mlps[2]
    mlp.mlp.register_forward_hook(lambda _m, _a, out: seen.__setitem__("output", out.detach()))
    mlp.register_full_backward_hook(lambda _m, _i, out: seen.__setitem__("gradient", out[0]))
    set_gates(blocks, {2: value})
    model(**batch(), use_cache=False).loss.backward()
    expected = sum(
        float(g * y)
        for g, y in zip(seen["gradient"].flatten(), seen["output"].flatten(), strict=True)
    )
    assert mlp.block_gate.grad is not None
    assert mlp.block_gate.grad.item() == pytest.approx(expected, rel=1e-4)


def test_skipping_no_block_changes_nothing() -> None:
    model, _, blocks = made(Adapter(reduction=4))
    set_gates(blocks, {0: 0.6, 2: 0.99})
    with torch.no_grad():
        soft = model(**batch()).logits
        blocks.remove_(blocks.choose())
        assert torch.equal(soft, model(**batch()).logits)
    assert blocks.removed == ()
    assert [float(gate) for gate in blocks.block_gates] == pytest.approx([0.6, 1, 0.99, 1, 1])


def test_of_blocks_that_have_all_closed_one_opens_again() -> None:
    model, _, blocks = made(Adapter(reduction=4))
    set_gates(blocks, {0: 0.1, 1: 0.3, 2: 0.0, 3: 0.2, 4: 0.0})
    blocks.remove_(blocks.choose())
    assert blocks.removed == (0, 2, 3, 4)
    assert blocks.values().encoder == (0.0, 1.0)
    model(**batch(), use_cache=False).loss.backward()
    assert all(p.grad is not None for p in trained_parameters(model).values())


@pytest.mark.parametrize("method", METHODS)
def test_a_removed_block_takes_its_adapter_its_gate_and_its_norm_along(method: Any) -> None:
    model, _, blocks = made(method)
    layout = blocks.layout
    prefix = layout.blocks[1].mlp.rpartition(".")[0]
    before = sum(p.numel() for p in model.parameters())
    gone = {id(p): p.numel() for name, p in model.named_parameters() if f"{prefix}." in name}
    assert blocks.parameters_of(1) == set(gone)
    blocks.remove_([1])
    assert not [name for name, _ in model.named_parameters() if f"{prefix}." in name]
    assert before - sum(p.numel() for p in model.parameters()) == sum(gone.values())
    frozen = sum(n for i, n in gone.items()) - sum(p.numel() for p in _trained_part(method, layout))
    assert removed_parameters(layout, [1]) == frozen == 3 * 32 * 48 + 32
    assert {linear.role for linear in removed_linears(layout, [1])} == {"gate", "up", "down"}


def _trained_part(method: Any, layout: Any) -> list[Tensor]:
    """Of one block's MLP, as the method's formula has it, and the block gate."""
    if isinstance(method, Adapter):
        return [torch.empty(32 * 8 + 8 + 8 * 32 + 32), torch.empty(1)]
    return [torch.empty(4 * (32 + 48)), torch.empty(4 * (48 + 32)), torch.empty(1)]


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_a_block_whose_norm_comes_after_the_sum_goes_as_well(method: Any, family: str) -> None:
    model: Any = tiny_encoder(family)
    layout = layout_of(model)
    gates = install_gates_(model, layout, "pretrained")
    n_base = sum(p.numel() for p in model.parameters())
    wrapped: Any = attach(model, layout, method)
    with torch.no_grad():
        for parameter in trained_parameters(wrapped).values():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    inputs = {"input_ids": batch()["input_ids"], "attention_mask": batch()["attention_mask"]}
    with torch.no_grad():
        plain = wrapped(**inputs).last_hidden_state
        blocks = gate_blocks_(model, layout, gates, AdaDeft())
        assert torch.equal(plain, wrapped(**inputs).last_hidden_state)
        set_gates(blocks, {1: 0.2})
        soft = wrapped(**inputs).last_hidden_state
        assert not torch.equal(plain, soft)
        blocks.remove_(blocks.choose())
        assert torch.equal(soft, wrapped(**inputs).last_hidden_state)
    frozen = [p for p in model.parameters() if not p.requires_grad and p.dim() > 0]
    assert n_base - sum(p.numel() for p in frozen) == removed_parameters(layout, [1]) > 0


def test_generation_and_gradient_checkpointing_run_without_the_block() -> None:
    model: Any = tiny_t5(n_encoder=3)
    gates = install_gates_(model, layout_of(model), "relu")
    blocks = gate_blocks_(model, layout_of(model), gates, AdaDeft())
    set_gates(blocks, {1: 0.0, 4: 0.0})
    ids = {"input_ids": batch()["input_ids"], "attention_mask": batch()["attention_mask"]}
    soft = model.generate(**ids, max_new_tokens=4, min_new_tokens=4)
    blocks.remove_([1, 4])
    meter = GenerationMeter(gates)
    with meter.reading(ids["attention_mask"]):
        assert torch.equal(soft, model.generate(**ids, max_new_tokens=4, min_new_tokens=4))
    meter.close(torch.full((5,), 4))
    written = meter.result()
    assert (written.skipped.encoder, written.skipped.decoder) == ((1,), (1,))
    assert (
        written.encoder_blocks[1]
        == written.decoder_blocks[1]
        == 0
        < min(written.encoder_blocks[0], written.decoder_blocks[0])
    )
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()(**batch(), use_cache=False).loss.backward()
    assert model.shared.weight.grad is not None


def test_a_removed_block_counts_zero_and_the_others_have_a_mean_of_their_own() -> None:
    def read(gates: Any, model: Any) -> tuple[Any, Any, float]:
        inputs = batch()
        meter = DensityMeter(gates)
        with torch.no_grad(), meter.reading(masks_of(inputs)):
            model(**inputs)
        with DensityProbe(gates, DEFT) as probe, probe.reading(masks_of(inputs)) as reading:
            model(**inputs)
        return (
            meter.result(),
            reading,
            float(combine(reading.encoder, reading.decoder, DEFT).detach()),
        )

    model, gates, blocks = made(Adapter(reduction=4))
    set_gates(blocks, {1: 0.0, 2: 0.0})
    soft, losses, _ = read(gates, model)
    blocks.remove_([1, 2])
    hard, _, density_loss = read(gates, model)
    assert hard.encoder_blocks == (soft.encoder_blocks[0], 0.0)
    assert hard.decoder_blocks == (0.0, *soft.decoder_blocks[1:])
    assert (hard.skipped.encoder, hard.skipped.decoder, len(hard.skipped)) == ((1,), (0,), 2)
    readings = [soft.encoder_blocks[0], *soft.decoder_blocks[1:]]
    assert hard.overall == pytest.approx(sum(readings) / 5)
    assert hard.of_kept_blocks == pytest.approx(sum(readings) / 3)
    assert soft.of_kept_blocks == soft.overall
    expected = losses.encoder[0].item() / 2 + sum(value.item() for value in losses.decoder[1:]) / 3
    assert density_loss == pytest.approx(expected)


def test_while_the_gates_train_a_closed_block_counts_zero_and_its_density_pulls_its_gate() -> None:
    model, gates, blocks = made(Lora(r=4))
    set_gates(blocks, {0: 0.5, 2: 0.7, 3: 0.0})
    inputs = batch()
    readings = []
    for shares in (None, blocks.shares):
        with DensityProbe(gates, DEFT, shares) as probe, probe.reading(masks_of(inputs)) as reading:
            model(**inputs)
        values = (*reading.encoder, *reading.decoder)
        readings.append([value.item() for value in values])
    assert readings[1] == pytest.approx(
        [value * share for value, share in zip(readings[0], (0, 1, 1, 0, 1), strict=True)]
    )
    gradients = torch.autograd.grad(
        torch.stack(values).sum(), blocks.block_gates, allow_unused=True
    )
    # The last gate's own share: nothing later depends on it.
    assert gradients[-1] is not None
    assert gradients[-1].item() == pytest.approx(readings[0][-1], rel=1e-5)


def test_the_pull_is_the_weighted_mean_gate() -> None:
    model = tiny_t5()
    layout = layout_of(model)
    gates = install_gates_(model, layout, "relu")
    blocks = gate_blocks_(model, layout, gates, AdaDeft(weight=0.6))
    n = len(blocks.block_gates)
    set_gates(blocks, {0: 0.5, 1: 0.0})
    total = blocks.pull()
    total.backward()  # type: ignore[no-untyped-call]
    assert total.item() == pytest.approx(0.6 * (n - 1.5) / n)
    gradients = [gate.grad for gate in blocks.block_gates]
    assert [float(g) for g in gradients if g is not None] == pytest.approx([0.6 / n] * n)


@pytest.mark.parametrize(
    ("values", "skip", "expected"),
    [
        ((1.0, 0.6, 0.9), 0, ()),
        ((1.0, 0.6, 0.9), 1, (1,)),
        ((1.0, 0.6, 0.9), 2, (1, 2)),
        ((1.0, 0.5, 0.9), 0, (1,)),
        ((0.0, 0.4, 0.9), 1, (0, 1)),
        ((0.7, 0.7, 0.7), 1, (0,)),
        ((0.0, 0.0, 0.0), 0, (0, 1)),
        ((0.3, 0.2, 0.1), 7, (1, 2)),
    ],
)
def test_the_most_closed_blocks_go(
    values: tuple[float, ...], skip: int, expected: tuple[int, ...]
) -> None:
    assert to_remove(values, skip) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 25))
def test_what_goes_is_never_more_open_than_what_stays(values: list[float], skip: int) -> None:
    gone = to_remove(values, skip)
    stays = [value for number, value in enumerate(values) if number not in gone]
    assert len(stays) >= 1
    assert all(values[number] <= min(stays) for number in gone)
    assert len(gone) == min(max(skip, sum(value <= 0.5 for value in values)), len(values) - 1)


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_step_sizes_fall_and_add_up_to_the_travel(steps: int) -> None:
    sizes = [step_size(step, steps, 3.0) for step in range(steps)]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) > 0
    assert sum(sizes) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("steps", "share", "expected"),
    [(100, 0.4, 60), (100, 0.0, 100), (1, 0.9, 1), (3, 0.5, 2), (10, 0.99, 1)],
)
def test_soft_steps(steps: int, share: float, expected: int) -> None:
    assert soft_steps(steps, share) == expected
