"""Thresholds by block: against sorted values, and what they really zero."""

from typing import Any

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import install_gates_, thresholded, thresholded_by_block
from deft_sweeps.axes.thresholds import RELATIVE_ERROR, GateHistogram, counts, quantile
from deft_sweeps.axes.token_mask import Masks
from tests.tiny import batch, layout_of, tiny_t5


def exact(values: Tensor, share: float) -> float:
    """The smallest of |values| that at least `share` of them do not exceed."""
    ranked: list[float] = sorted(abs(v) for v in values.flatten().tolist())
    return next(v for i, v in enumerate(ranked, 1) if i >= share * len(ranked))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_quantile_is_at_most_a_bucket_above_the_exact_one(share: float, scale: float) -> None:
    values = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0)) * scale
    got, expected = quantile(counts(values), share), exact(values, share)
    assert expected <= got <= expected * (1 + RELATIVE_ERROR)
    assert int((values.abs() <= got).sum()) >= share * 3000


def test_zeros_that_are_there_already_need_no_threshold() -> None:
    values = torch.relu(torch.randn(4000, generator=torch.Generator().manual_seed(0)))
    assert quantile(counts(values), 0.4) == 0.0
    assert quantile(counts(values), 0.6) == pytest.approx(exact(values, 0.6), rel=RELATIVE_ERROR)
    assert quantile(torch.zeros(1 << 17, dtype=torch.int64), 0.5) == 0.0


def test_counts_add_up_in_bounded_memory() -> None:
    a, b = torch.randn(50), torch.randn(2, 70) * 1e30
    together = counts(torch.cat([a, b.flatten()]))
    assert torch.equal(counts(a) + counts(b), together)
    assert together.shape == (131_072,)
    assert int(together.sum()) == 190


@pytest.mark.parametrize("activation", ["pretrained", "relu"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_thresholds_zero_their_share_of_every_blocks_real_entries(
    activation: Any, share: float
) -> None:
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), activation)
    histogram = GateHistogram(gates)
    outputs: list[list[Tensor]] = [[] for _ in gates]
    for seed in range(2):
        inputs = batch(seed=seed)
        masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())
        hooks = [
            at.gate.register_forward_hook(
                lambda _m, _a, out, i=i, masks=masks, at=at: outputs[i].append(
                    out[masks.of(at, out.shape[1]).bool()]
                )
            )
            for i, at in enumerate(gates)
        ]
        with torch.no_grad(), histogram.reading(masks):
            model(**inputs)
        for hook in hooks:
            hook.remove()
    got = histogram.thresholds(share)
    for at_block, threshold in zip(outputs, got, strict=True):
        entries = torch.cat(at_block)
        assert threshold == 0.0 or threshold == pytest.approx(
            exact(entries, share), rel=RELATIVE_ERROR
        )
        assert (
            share
            <= float((entries.abs() <= threshold).double().mean())
            <= (share + 0.01 if threshold else 1.0)
        )
    assert all(at.gate.reader is None for at in gates)


def test_a_gate_that_is_never_read_gets_no_threshold() -> None:
    gates = install_gates_(model := tiny_t5(), layout_of(model), "relu")
    assert GateHistogram(gates).thresholds(0.5) == (0.0,) * 5


def test_blocks_have_thresholds_of_their_own_beside_the_shared_one() -> None:
    gates = install_gates_(model := tiny_t5(), layout_of(model), "relu")
    x = torch.tensor([0.1, 0.3, 0.6])

    with thresholded_by_block(gates, (0.0, 0.2, 0.5, 0.0, 0.0)), thresholded(gates, 0.1):
        assert [int((at.gate(x) > 0).sum()) for at in gates] == [2, 2, 1, 2, 2]
    assert all(at.gate.block_threshold == 0.0 for at in gates)
    with pytest.raises(ValueError, match="shorter"), thresholded_by_block(gates, (0.1,)):
        pass
