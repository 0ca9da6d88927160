"""The density loss and the metric, against naive loops over saved activations."""

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import Gates, install_gates_, thresholded
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.axes.density_probe import (
    DensityProbe,
    block_density_loss,
    combine,
    scheduled,
    surrogate,
)
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.errors import TrialError
from tests.tiny import batch, layout_of, tiny_t5


def masks_of(inputs: dict[str, Tensor]) -> Masks:
    return Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())


def saved_gates(model: Any, gates: Gates, inputs: dict[str, Tensor]) -> list[Tensor]:
    """Every gate's output, by plain hooks that know nothing of the probe."""
    gate_outputs: list[Tensor] = []
    handles = [
        at.gate.register_forward_hook(lambda _m, _a, out: gate_outputs.append(out.detach()))
        for at in gates
    ]
    model(**inputs)
    for handle in handles:
        handle.remove()
    return gate_outputs


def naive_density(values: Tensor, mask: Tensor) -> float:
    """Mean over samples of the share of non-zero entries at real tokens, by loops."""
    shares = []
    for sample, real in zip(values, mask, strict=True):
        entries = [
            entry
            for token, counts in zip(sample, real, strict=True)
            if counts
            for entry in token.tolist()
        ]
        shares.append(sum(entry != 0 for entry in entries) / len(entries))
    return float(sum(shares) / len(shares))


@pytest.mark.parametrize(
    ("loss", "sharper"),
    [
        (DensityLoss(surrogate="l0", eps=1e-3), DensityLoss(surrogate="l0", eps=1e-14)),
        (DensityLoss(surrogate="tanh", beta=3), DensityLoss(surrogate="tanh", beta=1e9)),
    ],
)
def test_surrogate_is_at_most_the_exact_density_and_approaches_it(
    loss: DensityLoss, sharper: DensityLoss
) -> None:
    gate = torch.relu(torch.randn(4, 6, 50, generator=torch.Generator().manual_seed(1)))
    exact = float((gate != 0).float().mean())
    assert 0 < float(surrogate(gate, loss).mean()) < exact
    assert float(surrogate(gate, sharper).mean()) == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("kind", ["l0", "tanh"])
def test_surrogate_and_gradient_in_float32_agree_with_float64(kind: Any) -> None:
    loss = DensityLoss(surrogate=kind, eps=1e-7)
    x32 = torch.linspace(-3, 3, 301).requires_grad_()
    x64 = x32.detach().double().requires_grad_()
    y32, y64 = surrogate(x32, loss), surrogate(x64, loss)
    torch.testing.assert_close(y32, y64.float(), rtol=1e-5, atol=1e-6)
    (g32,), (g64,) = torch.autograd.grad(y32.sum(), x32), torch.autograd.grad(y64.sum(), x64)
    torch.testing.assert_close(g32, g64.float(), rtol=1e-3, atol=1e-4)


def test_published_reductions_differ_as_published() -> None:
    """On a ReLU tensor of true density 5 %, per-entry gives 0.05 and the feature map nearly 1."""
    generator = torch.Generator().manual_seed(0)
    gate = torch.rand(8, 128, 512, generator=generator) * (
        torch.rand(8, 128, 512, generator=generator) < 0.05
    )
    mask = torch.ones(8, 128)
    assert float(block_density_loss(gate, mask, DensityLoss())) == pytest.approx(0.05, abs=1e-3)
    assert float(block_density_loss(gate, mask, DensityLoss(reduction="feature_map"))) > 0.999


@pytest.mark.parametrize("reduction", ["per_entry", "feature_map"])
def test_block_loss_equals_a_naive_loop(reduction: Any) -> None:
    loss = DensityLoss(eps=1e-2, reduction=reduction)
    gate, mask = (
        torch.randn(3, 5, 7),
        torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]),
    )
    real = [[gate[b, t] for t in range(5) if mask[b, t]] for b in range(3)]
    if reduction == "per_entry":
        per_sample = [
            sum(float((x * x / (x * x + 1e-2)).mean()) for x in tokens) / len(tokens)
            for tokens in real
        ]
        expected = sum(per_sample) / 3
    else:
        mean = torch.stack([x for tokens in real for x in tokens]).mean(0)
        expected = float((mean**2 / (mean**2 + 1e-2)).mean())
    assert float(block_density_loss(gate, mask, loss)) == pytest.approx(expected, rel=1e-5)


def test_stacks_are_summed_or_averaged() -> None:
    encoder, decoder = [torch.tensor(0.2), torch.tensor(0.4)], [torch.tensor(0.9)]
    assert float(combine(encoder, decoder, DensityLoss())) == pytest.approx(0.3 + 0.9)
    assert float(combine(encoder, decoder, DensityLoss(stacks="mean"))) == pytest.approx(0.5)
    assert float(
        combine(encoder, decoder, DensityLoss(encoder_weight=2.0, decoder_weight=0.5))
    ) == pytest.approx(0.6 + 0.45)
    assert float(combine(encoder, [], DensityLoss())) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("gated", "activation", "threshold"),
    list(product([True, False], ["pretrained", "relu"], [0.0, 0.05])),
)
def test_metric_equals_a_naive_loop_with_padding_in_the_batch(
    gated: bool, activation: Any, threshold: float
) -> None:
    model, inputs = tiny_t5(gated), batch()
    gates = install_gates_(model, layout_of(model), activation)
    meter = DensityMeter(gates)
    masks = masks_of(inputs)
    with torch.no_grad(), thresholded(gates, threshold):
        with meter.reading(masks):
            model(**inputs)
        values = saved_gates(model, gates, inputs)
    of_stack: dict[str, Any] = {"encoder": masks.encoder, "decoder": masks.decoder}
    expected = [naive_density(v, of_stack[at.stack]) for at, v in zip(gates, values, strict=True)]
    got = meter.result()
    assert [*got.encoder_blocks, *got.decoder_blocks] == pytest.approx(expected, abs=1e-6)
    assert got.overall == pytest.approx(sum(expected) / len(expected))


def test_density_does_not_depend_on_padding() -> None:
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")

    def density(inputs: dict[str, Tensor]) -> float:
        meter = DensityMeter(gates)
        with torch.no_grad(), meter.reading(masks_of(inputs)):
            model(**inputs)
        return meter.result().overall

    inputs = batch()
    wider = {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (0, 7)),
        "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (0, 7)),
        "labels": torch.nn.functional.pad(inputs["labels"], (0, 3), value=-100),
    }
    assert density(wider) == pytest.approx(density(inputs), abs=1e-6)


def test_padding_can_be_included_as_the_authors_do() -> None:
    model, inputs = tiny_t5(), batch()
    gates = install_gates_(model, layout_of(model), "relu")

    def read(padding: Any) -> list[float]:
        loss = DensityLoss(eps=1e-3, padding=padding)
        with DensityProbe(gates, loss) as probe, probe.reading(masks_of(inputs)) as reading:
            model(**inputs)
        return [v.item() for v in reading.encoder]

    values = saved_gates(model, gates, inputs)
    everything = [
        float((v * v / (v * v + 1e-3)).mean())
        for at, v in zip(gates, values, strict=True)
        if at.stack == "encoder"
    ]
    assert read("include") == pytest.approx(everything, rel=1e-5)
    assert read("mask") != pytest.approx(everything, rel=1e-3)


def test_as_many_reads_as_blocks_and_nothing_kept() -> None:
    model, inputs = tiny_t5(), batch()
    gates = install_gates_(model, layout_of(model), "relu")
    probe = DensityProbe(gates, DensityLoss())
    with probe:
        with probe.reading(masks_of(inputs)) as reading:
            model(**inputs)
        assert (len(reading.encoder), len(reading.decoder)) == (2, 3)
        model(**inputs)
        assert (len(reading.encoder), len(reading.decoder)) == (2, 3)
    assert all(at.gate.reader is None for at in gates)


def test_gradient_checkpointing_changes_neither_count_nor_gradient() -> None:
    def gradients(checkpointing: bool) -> tuple[float, list[Tensor]]:
        model: Any = tiny_t5()
        gates = install_gates_(model, layout_of(model), "relu")
        if checkpointing:
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
        model.train()
        inputs = batch()
        loss = DensityLoss(eps=1e-2, weight=1.0)
        with DensityProbe(gates, loss) as probe:
            with probe.reading(masks_of(inputs)) as reading:
                out = model(**inputs, use_cache=False)
            assert len(reading.encoder) + len(reading.decoder) == len(gates)
            total = out.loss + combine(reading.encoder, reading.decoder, loss)
            total.backward()
            assert len(reading.encoder) + len(reading.decoder) == len(gates)
        return total.item(), [p.grad for p in model.parameters() if p.grad is not None]

    plain, recomputed = gradients(False), gradients(True)
    assert plain[0] == pytest.approx(recomputed[0])
    for a, b in zip(plain[1], recomputed[1], strict=True):
        torch.testing.assert_close(a, b)


def test_virtual_tokens_before_the_real_ones_do_not_count() -> None:
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")
    masks = Masks(torch.tensor([[1, 1, 0]]), torch.tensor([[1]]))
    assert masks.of(gates[0], 5).tolist() == [[0, 0, 1, 1, 0]]


def test_native_count_sees_the_saturation_of_a_narrow_dtype() -> None:
    """In bfloat16 a GELU is exactly zero from about -3 down, in float32 only below about -5: the
    gate keeps the difference out.
    """
    model: Any = tiny_t5()
    gates = install_gates_(model, layout_of(model), "pretrained")
    model.to(torch.bfloat16)
    inputs = batch()
    meter = DensityMeter(gates, native=True)
    with torch.no_grad(), meter.reading(masks_of(inputs)):
        model(**inputs)
    assert meter.native_result().overall < meter.result().overall


def test_meter_refuses_to_report_nothing() -> None:
    model = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")
    with pytest.raises(ValueError, match="never read"):
        DensityMeter(gates).result()


@pytest.mark.parametrize(("share", "n"), [(0.0, 0), (0.25, 3), (1.0, 10)])
def test_weight_rises_linearly_over_its_share_of_the_steps(share: float, n: int) -> None:
    loss = DensityLoss(weight=2.0, weight_warmup=share)
    assert [scheduled(loss, step, 10).weight for step in range(10)] == pytest.approx(
        [2.0 * min(1.0, (s + 1) / max(1, n)) for s in range(10)]
    )


def test_eps_falls_by_equal_factors_to_where_it_stays() -> None:
    loss = DensityLoss(eps=1e-4, eps_start_factor=1e3, eps_anneal=0.6)
    values = [scheduled(loss, step, 10).eps for step in range(10)]
    assert values[0] == pytest.approx(1e-1)
    assert [b / a for a, b in pairwise(values[:7])] == pytest.approx([10**-0.5] * 6)
    assert values[6:] == [1e-4] * 4


def test_without_schedules_every_step_has_the_same_loss() -> None:
    loss = DensityLoss(weight=0.7, eps=1e-3)
    assert all(scheduled(loss, step, 7) is loss for step in range(7))


def test_a_reading_takes_the_loss_of_the_step_that_was_scheduled_last() -> None:
    model, inputs = tiny_t5(), batch()
    gates = install_gates_(model, layout_of(model), "relu")

    def first_block(probe: DensityProbe) -> float:
        with probe.reading(masks_of(inputs)) as reading:
            model(**inputs)
        return reading.encoder[0].item()

    narrow = DensityLoss(eps=1e-6, eps_start_factor=1e6, weight_warmup=0.5)
    with DensityProbe(gates, replace(narrow, eps_start_factor=1.0)) as fixed:
        expected = first_block(fixed)
    with DensityProbe(gates, narrow) as probe:
        probe.schedule(0, 10)
        assert probe.weight == pytest.approx(0.2)
        assert first_block(probe) < 0.8 * expected
        probe.schedule(9, 10)
        assert probe.weight == 1.0
        assert first_block(probe) == expected


def test_reentrant_checkpointing_is_refused() -> None:
    model: Any = tiny_t5()
    gates = install_gates_(model, layout_of(model), "relu")
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
    model.train()
    inputs = batch()
    with (
        DensityProbe(gates, DensityLoss()) as probe,
        pytest.raises(TrialError, match="use_reentrant"),
        probe.reading(masks_of(inputs)),
    ):
        model(**inputs, use_cache=False)
    with (
        torch.no_grad(),
        DensityProbe(gates, DensityLoss()) as probe,
        probe.reading(masks_of(inputs)) as reading,
    ):
        model(**inputs, use_cache=False)
    assert len(reading.encoder) == 2


def test_under_autocast_loss_and_metric_are_those_of_the_gate_in_float32() -> None:
    model, inputs = tiny_t5(), batch()
    gates = install_gates_(model, layout_of(model), "pretrained")
    loss, masks = DensityLoss(eps=1e-3), masks_of(inputs)
    gate_outputs: list[Tensor] = []
    handles = [
        at.gate.register_forward_hook(lambda _m, args, _out: gate_outputs.append(args[0].detach()))
        for at in gates
    ]
    with torch.autocast("cpu", torch.bfloat16):
        with DensityProbe(gates, loss) as probe, probe.reading(masks) as reading:
            model(**inputs)
            total = combine(reading.encoder, reading.decoder, loss)
        meter = DensityMeter(gates)
        with torch.no_grad(), meter.reading(masks):
            model(**inputs)
    for handle in handles:
        handle.remove()
    assert all(x.dtype == torch.bfloat16 for x in gate_outputs)
    # Two passes: what attention computes without a graph is rounded otherwise.
    values = [torch.nn.functional.gelu(x.float(), approximate="tanh") for x in gate_outputs]
    by_block: list[Any] = [
        masks.encoder if at.stack == "encoder" else masks.decoder for at in gates
    ]
    entries = [
        float(block_density_loss(v, m, loss)) for v, m in zip(values[:5], by_block, strict=True)
    ]
    assert total.dtype == torch.float32
    assert float(total.detach()) == pytest.approx(
        sum(entries[:2]) / 2 + sum(entries[2:]) / 3, rel=1e-5
    )
    got = meter.result()
    assert [*got.encoder_blocks, *got.decoder_blocks] == pytest.approx(
        [naive_density(v, m) for v, m in zip(values[5:], by_block, strict=True)], abs=1e-6
    )
    total.backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in model.parameters())
