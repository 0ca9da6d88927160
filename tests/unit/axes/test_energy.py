"""The projected energy against sums written out by hand."""

import pytest

from deft_sweeps.axes.energy import Work, energy_pj, energy_ratio, work_of
from deft_sweeps.models.families import layout
from deft_sweeps.result import DensityReading, SkippedBlocks

CONFIG = {
    "model_type": "t5",
    "d_model": 4,
    "d_ff": 6,
    "d_kv": 2,
    "num_heads": 2,
    "num_layers": 2,
    "num_decoder_layers": 1,
    "vocab_size": 8,
}
SHAPE = layout(CONFIG | {"feed_forward_proj": "gated-gelu"})
DENSE = DensityReading(encoder_blocks=(1.0, 1.0), decoder_blocks=(1.0,))


def test_a_layer_by_hand() -> None:
    work = Work(
        n_parameters=100,
        n_inputs=20,
        n_outputs=10,
        n_macs=1000,
        parameters_share=0.5,
        inputs_share=0.25,
        outputs_share=0.8,
    )
    expected = 1950 * 50 + 1950 * (5 + 8) + 3.7 * 1000 * 0.5 * 0.25
    assert energy_pj([work]) == pytest.approx(expected)
    assert energy_ratio([work]) == pytest.approx(expected / (1950 * 130 + 3700))
    assert energy_pj([work, work]) == pytest.approx(2 * expected)


def test_a_model_without_zeros_has_ratio_one_and_zeros_lower_it() -> None:
    assert energy_ratio(work_of(SHAPE, DENSE, {}, 7.0, 3.0)) == 1.0
    ratios = [
        energy_ratio(
            work_of(SHAPE, DensityReading(encoder_blocks=(d, d), decoder_blocks=(d,)), {}, 7.0, 3.0)
        )
        for d in (0.9, 0.5, 0.0)
    ]
    assert 1 > ratios[0] > ratios[1] > ratios[2] > 0
    half = {linear.name: 0.5 for linear in SHAPE.linears}
    assert 0.5 < energy_ratio(work_of(SHAPE, DENSE, half, 7.0, 3.0)) < 1


def test_a_model_equals_a_loop_over_its_layers() -> None:
    density = DensityReading(encoder_blocks=(0.5, 0.25), decoder_blocks=(0.1,))
    pruned = "decoder.block.0.layer.1.EncDecAttention.k"
    expected = 0.0
    for stack, blocks, n in (("encoder", (0.5, 0.25), 7), ("decoder", (0.1,), 3)):
        for share in blocks:
            shapes = [(4, 4, n, 1.0)] * 4 + [(4, 6, n, 1.0)] * 2 + [(6, 4, n, share)]
            if stack == "decoder":
                # Queries and outputs of the cross-attention are the decoder's, keys and values of
                # the encoder's tokens.
                shapes += [(4, 4, 3, 1.0), (4, 4, 7, 1.0), (4, 4, 7, 1.0), (4, 4, 3, 1.0)]
            expected += sum(
                1950 * (i * o + t * i * s + t * o) + 3.7 * t * i * o * s for i, o, t, s in shapes
            )
    assert energy_pj(work_of(SHAPE, density, {}, 7.0, 3.0)) == pytest.approx(expected)
    spared = 0.4 * (1950 * 16 + 3.7 * 7 * 16)
    assert energy_pj(work_of(SHAPE, density, {pruned: 0.4}, 7.0, 3.0)) == pytest.approx(
        expected - spared
    )


def test_nothing_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="do something"):
        energy_ratio([])


def test_a_removed_mlp_does_nothing() -> None:
    skipping = DensityReading(
        encoder_blocks=(1.0, 0.0), decoder_blocks=(1.0,), skipped=SkippedBlocks(encoder=(1,))
    )
    mlp = [linear for linear in SHAPE.blocks[1].linears if linear.role in ("gate", "up", "down")]
    spared = sum(
        1950 * (linear.n_parameters + 7 * linear.in_features + 7 * linear.out_features)
        + 3.7 * 7 * linear.n_parameters
        for linear in mlp
    )
    whole = energy_pj(work_of(SHAPE, DENSE, {}, 7.0, 3.0))
    assert energy_pj(work_of(SHAPE, skipping, {}, 7.0, 3.0)) == pytest.approx(whole - spared)
