"""Energy of an accelerator that skips zeros, projected from counts: nothing is measured here.

The costs are those of the sponge examples (arXiv 2006.03463) that DEFT's authors cite. Here the
energy is summed layer by layer, each with its own shares of zeros; the cited estimator takes mean
shares over the whole model. For a layer, in pJ:
E = 1950 nnz(parameters) + 1950 (nnz(inputs) + nnz(outputs)) + 3.7 MACs share_nonzero(parameters)
share_nonzero(inputs).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from deft_sweeps.config.layout import Block, Layout, Linear
from deft_sweeps.result import DensityReading

MEMORY_PJ = 1950.0
"""To move one value."""
COMPUTE_PJ = 3.7
"""To multiply and add one pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one linear layer does, in values and multiply-adds; each share is of non-zero ones, in
    [0, 1].
    """

    n_parameters: float
    n_inputs: float
    n_outputs: float
    n_macs: float
    parameters_share: float = 1.0
    inputs_share: float = 1.0
    outputs_share: float = 1.0


def energy_pj(layers: Iterable[Work]) -> float:
    """Projected energy of some layers; lower is better."""
    return sum(
        MEMORY_PJ
        * (
            w.n_parameters * w.parameters_share
            + w.n_inputs * w.inputs_share
            + w.n_outputs * w.outputs_share
        )
        + COMPUTE_PJ * w.n_macs * w.parameters_share * w.inputs_share
        for w in layers
    )


def energy_ratio(layers: Iterable[Work]) -> float:
    """Projected energy beside that of the same layers without a single zero, in (0, 1]; lower is
    better.

    Raises:
        ValueError: no layers.
    """
    layers = tuple(layers)
    dense = energy_pj(
        replace(w, parameters_share=1.0, inputs_share=1.0, outputs_share=1.0) for w in layers
    )
    if dense <= 0:
        raise ValueError("an energy ratio needs layers that do something")
    return energy_pj(layers) / dense


def work_of(
    layout: Layout,
    density: DensityReading,
    sparsity: Mapping[str, float],
    encoder_tokens: float,
    decoder_tokens: float,
) -> tuple[Work, ...]:
    """The work of every block's linear layers on one example.

    The gate's zeros are zeros of what the projection back reads, in a gated MLP too; every other
    layer reads and writes dense values. An MLP block that was removed does nothing.

    Args:
        layout: of the model.
        density: of the gate, by block.
        sparsity: share of zeros of each pruned layer's weights, by its name.
        encoder_tokens: that the encoder reads, the mean over examples say.
        decoder_tokens: that the decoder writes.
    """

    def work(block: Block, linear: Linear) -> Work:
        n = (
            encoder_tokens
            if block.stack == "encoder" or linear.source == "cross"
            else decoder_tokens
        )
        blocks = density.encoder_blocks if block.stack == "encoder" else density.decoder_blocks
        skipped = density.skipped.encoder if block.stack == "encoder" else density.skipped.decoder
        if block.index in skipped and linear.role in ("gate", "up", "down"):
            shares = {"parameters_share": 0.0, "inputs_share": 0.0, "outputs_share": 0.0}
        else:
            share = blocks[block.index] if linear.role == "down" else 1.0
            shares = {
                "parameters_share": 1.0 - sparsity.get(linear.name, 0.0),
                "inputs_share": share,
            }
        return Work(
            n_parameters=linear.n_parameters,
            n_inputs=n * linear.in_features,
            n_outputs=n * linear.out_features,
            n_macs=n * linear.n_parameters,
            **shares,
        )

    return tuple(work(block, linear) for block in layout.blocks for linear in block.linears)
