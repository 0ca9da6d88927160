"""Pruning against naive loops, and what it must keep."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.density import Masks
from deft_sweeps.axes.pruning import keep_largest, magnitude_mask, prune_, wanda_mask
from deft_sweeps.config.axes import Magnitude, Wanda
from tests.tiny import batch, layout_of, tiny_t5


def test_keep_largest_drops_exactly_as_many_on_ties() -> None:
    mask = keep_largest(torch.ones(3, 10), 0.35)
    assert mask.sum(1).tolist() == [7, 7, 7]


def test_magnitude_mask_equals_a_naive_sort_over_the_layer() -> None:
    weight = torch.randn(6, 8)
    kept = sorted((abs(v) for v in weight.flatten().tolist()), reverse=True)[: 48 - 24]
    assert magnitude_mask(weight, 0.5).tolist() == [[abs(v) >= kept[-1] for v in row] for row in weight.tolist()]


def test_wanda_mask_equals_a_naive_loop_over_rows() -> None:
    weight, norms = torch.randn(5, 8), torch.rand(8)
    for row, mask in zip(weight.tolist(), wanda_mask(weight, norms, 0.5).tolist(), strict=True):
        scores = [abs(w) * float(n) for w, n in zip(row, norms, strict=True)]
        assert mask == [score >= sorted(scores)[4] for score in scores]


def run_wanda(model: nn.Module, inputs: dict[str, Any]) -> dict[str, float]:
    masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())
    return prune_(model, layout_of(model), Wanda(sparsity=0.5), lambda: model(**inputs, use_cache=False) and None, masks)


def test_wanda_calibrates_each_block_on_what_the_pruned_blocks_before_it_give() -> None:
    """Replays the pruning by hand: whole forward passes, one a block, with the norms collected by plain hooks and loops."""
    model, inputs = tiny_t5(), batch()
    by_hand = copy.deepcopy(model)
    run_wanda(model, inputs)
    decoder_mask = (inputs["labels"] != -100).long()
    for block in layout_of(by_hand).blocks:
        seen: dict[str, Tensor] = {}
        handles = [
            by_hand.get_submodule(linear.name).register_forward_pre_hook(
                lambda _m, args, name=linear.name, seen=seen: seen.update({name: args[0].detach()})
            )
            for linear in block.linears
        ]
        with torch.no_grad():
            by_hand(**inputs, use_cache=False)
        for handle in handles:
            handle.remove()
        for linear in block.linears:
            mask = inputs["attention_mask"] if block.stack == "encoder" or linear.source == "cross" else decoder_mask
            rows = [seen[linear.name][b, t] for b in range(mask.shape[0]) for t in range(mask.shape[1]) if mask[b, t]]
            norms = torch.stack(rows).square().sum(0).sqrt()
            weight: Any = by_hand.get_submodule(linear.name).weight
            weight.data *= wanda_mask(weight.data, norms, 0.5)
    for (name, expected), got in zip(by_hand.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(got, expected, msg=name)


def test_padding_counts_in_no_norm() -> None:
    model, other, inputs = tiny_t5(), tiny_t5(), batch()
    wider = {
        **inputs,
        "input_ids": nn.functional.pad(inputs["input_ids"], (0, 5), value=7),
        "attention_mask": nn.functional.pad(inputs["attention_mask"], (0, 5)),
    }
    run_wanda(model, inputs)
    run_wanda(other, wider)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert bool(((a == 0) == (b == 0)).all())


@pytest.mark.parametrize("method", [Magnitude(sparsity=0.5), Wanda(sparsity=0.5)])
def test_only_the_blocks_linears_are_pruned_to_the_asked_sparsity(method: Any) -> None:
    model, inputs = tiny_t5(), batch()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())
    report = prune_(model, layout_of(model), method, lambda: model(**inputs, use_cache=False) and None, masks)
    assert set(report) == {linear.name for linear in layout_of(model).linears}
    assert all(share == pytest.approx(0.5, abs=0.01) for share in report.values())
    for name, parameter in model.named_parameters():
        if name.removesuffix(".weight") not in report:
            assert torch.equal(parameter, before[name]), name


def test_no_hook_is_left() -> None:
    model, inputs = tiny_t5(), batch()
    run_wanda(model, inputs)
    assert not any(module._forward_pre_hooks for module in model.modules())
