"""Pruning against naive loops, and what it must keep."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.pruning import Calibration, prune_
from deft_sweeps.axes.pruning.magnitude_scores import magnitude_mask
from deft_sweeps.axes.pruning.scores import keep_largest
from deft_sweeps.axes.pruning.sparsegpt_solver import sparsegpt
from deft_sweeps.axes.pruning.wanda_scores import wanda_mask
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import Magnitude, SparseGpt, Wanda
from tests.tiny import batch, layout_of, tiny_encoder, tiny_t5


def test_keep_largest_drops_exactly_as_many_on_ties() -> None:
    mask = keep_largest(torch.ones(3, 10), 0.35)
    assert mask.sum(1).tolist() == [7, 7, 7]


def test_magnitude_mask_equals_a_naive_sort_over_the_layer() -> None:
    weight = torch.randn(6, 8)
    largest = sorted((abs(v) for v in weight.flatten().tolist()), reverse=True)[: 48 - 24]
    assert magnitude_mask(weight, 0.5).tolist() == [
        [abs(v) >= largest[-1] for v in row] for row in weight.tolist()
    ]


def test_wanda_mask_equals_a_naive_loop_over_rows() -> None:
    weight, norms = torch.randn(5, 8), torch.rand(8)
    for row, mask in zip(weight.tolist(), wanda_mask(weight, norms, 0.5).tolist(), strict=True):
        scores = [abs(w) * float(n) for w, n in zip(row, norms, strict=True)]
        assert mask == [score >= sorted(scores)[4] for score in scores]


@pytest.mark.parametrize(("pattern", "group"), [("2:4", 4), ("4:8", 8)])
def test_a_pattern_drops_the_smaller_half_of_every_group(pattern: Any, group: int) -> None:
    weight, norms = torch.randn(3, 16), torch.rand(16)
    for mask, scores in (
        (magnitude_mask(weight, 0.5, pattern), weight.abs()),
        (wanda_mask(weight, norms, 0.5, pattern), weight.abs() * norms),
    ):
        for row, mask_row in zip(scores.tolist(), mask.tolist(), strict=True):
            for start in range(0, 16, group):
                members = range(start, start + group)
                best = sorted(members, key=lambda i: row[i])[group // 2 :]
                assert [i for i in members if mask_row[i]] == sorted(best)


def test_a_pattern_that_does_not_divide_the_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="6 inputs cannot be split into groups of 4"):
        magnitude_mask(torch.randn(2, 6), 0.5, "2:4")


def calibration(model: nn.Module, inputs: dict[str, Any], chunk: int = 32) -> Calibration:
    masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())
    return Calibration(lambda: model(**inputs, use_cache=False), masks, chunk)


def run_wanda(model: nn.Module, inputs: dict[str, Any]) -> dict[str, float]:
    return prune_(model, layout_of(model), Wanda(sparsity=0.5), calibration(model, inputs))


def test_wanda_calibrates_each_block_on_what_the_pruned_blocks_before_it_give() -> None:
    """Replays the pruning by hand: whole forward passes, one a block, with the norms collected by
    plain hooks and loops.
    """
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
            mask = (
                inputs["attention_mask"]
                if block.stack == "encoder" or linear.source == "cross"
                else decoder_mask
            )
            rows = [
                seen[linear.name][b, t]
                for b in range(mask.shape[0])
                for t in range(mask.shape[1])
                if mask[b, t]
            ]
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


@pytest.mark.parametrize("chunk", [1, 2, 3, 6, 7])
@pytest.mark.parametrize(
    "method", [Wanda(sparsity=0.5), SparseGpt(sparsity=0.5), SparseGpt(pattern="2:4")]
)
def test_blocks_in_chunks_prune_as_on_all_examples_at_once(method: Any, chunk: int) -> None:
    # In float64, so that the order of the sums changes no mask.
    whole, parts, inputs = tiny_t5().double(), tiny_t5().double(), batch(7)
    prune_(whole, layout_of(whole), method, calibration(whole, inputs))
    prune_(parts, layout_of(parts), method, calibration(parts, inputs, chunk))
    for (name, a), b in zip(whole.named_parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)


def test_as_many_tokens_as_examples_are_told_apart() -> None:
    """Nine tokens each: a vector along tokens is as long as the batch."""
    whole, parts, inputs = tiny_t5().double(), tiny_t5().double(), batch(9)
    prune_(whole, layout_of(whole), Wanda(), calibration(whole, inputs))
    prune_(parts, layout_of(parts), Wanda(), calibration(parts, inputs, 4))
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_an_encoders_blocks_run_in_chunks_too(family: str) -> None:
    models = [tiny_encoder(family).double() for _ in range(2)]
    inputs = {name: tensor for name, tensor in batch(7).items() if name != "labels"}
    masks = Masks(inputs["attention_mask"], None)
    for model, chunk in zip(models, (32, 3), strict=True):
        run = Calibration(lambda model=model: model(**inputs), masks, chunk)  # type: ignore[misc]
        shares = prune_(model, layout_of(model), Wanda(), run)
        assert all(share == pytest.approx(0.5, abs=0.01) for share in shares.values())
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_chunks_give_the_same_weights_every_time() -> None:
    first, again, inputs = tiny_t5(), tiny_t5(), batch(7)
    for model in (first, again):
        prune_(model, layout_of(model), SparseGpt(), calibration(model, inputs, 3))
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )


def test_what_comes_after_the_last_block_does_not_run() -> None:
    model, inputs = tiny_t5(), batch()
    called: list[int] = []
    model.get_submodule("lm_head").register_forward_pre_hook(lambda *_: called.append(1))
    run_wanda(model, inputs)
    assert not called


def is_untouched(model: nn.Module) -> bool:
    modules = list(model.modules())
    return not any(
        m._forward_pre_hooks or m._forward_hooks or "forward" in vars(m) for m in modules
    )


def test_a_pass_that_fails_ends_with_its_own_error_and_leaves_nothing_behind() -> None:
    model = tiny_t5()
    bad = calibration(model, {**batch(), "input_ids": torch.full((5, 9), 10_000)})
    with pytest.raises(IndexError):
        prune_(model, layout_of(model), Wanda(), bad)
    assert is_untouched(model)


def test_calibration_needs_examples() -> None:
    model = tiny_t5()
    with pytest.raises(ValueError, match="wanda needs a forward pass over calibration examples"):
        prune_(model, layout_of(model), Wanda())


@pytest.mark.parametrize(
    "method",
    [
        Magnitude(),
        Wanda(),
        SparseGpt(),
        Magnitude(pattern="2:4"),
        Wanda(pattern="4:8"),
        SparseGpt(pattern="2:4"),
    ],
)
def test_only_the_blocks_linears_are_pruned_to_the_asked_sparsity(method: Any) -> None:
    model, inputs = tiny_t5(), batch()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    report = prune_(model, layout_of(model), method, calibration(model, inputs))
    assert set(report) == {linear.name for linear in layout_of(model).linears}
    assert all(share == pytest.approx(0.5, abs=0.01) for share in report.values())
    for name, parameter in model.named_parameters():
        if name.removesuffix(".weight") not in report:
            assert torch.equal(parameter, before[name]), name


def test_nothing_is_left_in_the_model() -> None:
    model, inputs = tiny_t5(), batch()
    run_wanda(model, inputs)
    assert is_untouched(model)


def inputs_of_a_layer(n_in: int, n: int = 200) -> Tensor:
    """(tokens, in), correlated and of unlike scales as hidden states are."""
    generator = torch.Generator().manual_seed(4)
    mixing = torch.randn(n_in, n_in, generator=generator) / n_in**0.5
    x: Tensor = torch.randn(n, n_in, generator=generator) @ mixing
    return x * torch.rand(n_in, generator=generator).exp2()


def exact_obs(
    weight: Tensor,
    moments: Tensor,
    sparsity: float,
    group: int | None,
    columns: int,
    damping: float,
) -> Tensor:
    """Optimal brain surgeon from left to right, one weight at a time, with a fresh inverse of what
    is left at every column.
    """
    w, n = weight.clone().double(), weight.shape[1]
    hessian = moments.double() + damping * moments.double().diagonal().mean() * torch.eye(
        n, dtype=torch.float64
    )
    inverse = [torch.linalg.inv(hessian[j:, j:]) for j in range(n)]
    doomed: set[tuple[int, int]] = set()
    for j in range(n):
        if group is None and j % columns == 0:
            cost = {
                (r, c): float(w[r, c] ** 2 / inverse[c][0, 0])
                for r in range(w.shape[0])
                for c in range(j, min(j + columns, n))
            }
            doomed |= set(sorted(cost, key=lambda at: cost[at])[: int(sparsity * len(cost))])
        for r in range(w.shape[0]):
            if group is not None and j % group == 0:
                row = {(r, c): float(w[r, c] ** 2 / inverse[c][0, 0]) for c in range(j, j + group)}
                doomed |= set(sorted(row, key=lambda at: row[at])[: group // 2])
            if (r, j) in doomed:
                w[r, j:] -= w[r, j] / inverse[j][0, 0] * inverse[j][0]
                w[r, j] = 0
    return w


@pytest.mark.parametrize(("pattern", "group"), [("unstructured", None), ("2:4", 4), ("4:8", 8)])
@pytest.mark.parametrize("columns", [8, 16, 128])
def test_sparsegpt_equals_exact_surgery_one_column_at_a_time(
    pattern: Any, group: int | None, columns: int
) -> None:
    weight, x = (
        torch.randn(5, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
        inputs_of_a_layer(24).double(),
    )
    expected = exact_obs(weight, x.T @ x, 0.5, group, columns, 0.01)
    got = sparsegpt(weight, x.T @ x, 0.5, pattern, damping=0.01, columns=columns)
    assert bool(((got == 0) == (expected == 0)).all())
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "4:8"])
@pytest.mark.parametrize("seed", range(3))
def test_sparsegpt_loses_less_of_the_layers_output_than_wanda_and_wanda_less_than_magnitude(
    pattern: Any, seed: int
) -> None:
    weight, x = (
        torch.randn(32, 64, generator=torch.Generator().manual_seed(seed)),
        inputs_of_a_layer(64),
    )

    def error(pruned: Tensor) -> float:
        assert float((pruned == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
        return float((x @ (pruned - weight).T).square().sum())

    surgery = error(sparsegpt(weight, x.T @ x, 0.5, pattern))
    wanda = error(weight * wanda_mask(weight, x.square().sum(0).sqrt(), 0.5, pattern))
    magnitude = error(weight * magnitude_mask(weight, 0.5, pattern))
    assert surgery < wanda < magnitude


def test_sparsegpt_changes_no_weight_that_it_is_given_and_copes_with_inputs_that_are_never_on() -> (
    None
):
    weight, x = torch.randn(4, 16), inputs_of_a_layer(16)
    x[:, 5:9] = 0
    before = weight.clone()
    pruned = sparsegpt(weight, x.T @ x, 0.5)
    assert torch.equal(weight, before)
    assert bool((pruned[:, 5:9] == 0).all())
    assert float((pruned == 0).float().mean()) == 0.5
    nothing = sparsegpt(weight, torch.zeros(16, 16), 0.5)
    assert bool(((nothing != 0) == magnitude_mask(weight, 0.5)).all())
