"""The density loss, and the skipping of blocks that goes with it."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.fields import check

Activation = Literal["pretrained", "relu"]
"""The function at the MLP's gate: the one of the checkpoint, or ReLU swapped in for it (relufication, arXiv 2310.04564)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDensityLoss:
    """Plain PEFT."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityLoss:
    """DEFT's density loss (arXiv 2402.01911): L = L_task + weight * L_density.

    Attributes:
        weight: of the density loss beside the task loss, > 0.
        surrogate: per entry x of the gate, `l0` is x^2 / (x^2 + eps), for GELU and everything else; `tanh` is tanh(beta * |x|), for
            ReLU. Both are in [0, 1) and never above the exact density.
        eps: of `l0`, > 0; the paper's code has 1e-7, a short run on GELU needs 1e-3 to 1e-2.
        beta: of `tanh`, > 0; larger comes closer to the exact count.
        encoder_weight: factor of the encoder's share, >= 0.
        decoder_weight: factor of the decoder's share, >= 0.
        reduction: `per_entry` puts every entry through the surrogate and takes means over neurons, tokens, samples and blocks (the
            authors' code); `feature_map` takes the mean over samples and tokens first (the paper's text).
        stacks: `sum` adds the two stacks' means (the code); `mean` is one mean over all blocks of both (the paper).
        padding: `mask` counts real tokens only; `include` counts padded positions too, as the authors' code does.
        weight_warmup: share of the steps over which the weight rises linearly to `weight`, in [0, 1]; 0 has it full from the start.
        eps_start_factor: eps of the first step in multiples of `eps`, > 0, from which it goes to `eps` by equal steps of its logarithm:
            a large one reaches entries far from zero first. 1 keeps eps where it is.
        eps_anneal: share of the steps that this takes, in (0, 1].
    """

    kind: Literal["loss"] = "loss"
    weight: float = 1.0
    surrogate: Literal["l0", "tanh"] = "l0"
    eps: float = 1e-7
    beta: float = 20.0
    encoder_weight: float = 1.0
    decoder_weight: float = 1.0
    reduction: Literal["per_entry", "feature_map"] = "per_entry"
    stacks: Literal["sum", "mean"] = "sum"
    padding: Literal["mask", "include"] = "mask"
    weight_warmup: float = 0.0
    eps_start_factor: float = 1.0
    eps_anneal: float = 0.5

    def __post_init__(self) -> None:
        check(self.weight > 0, "weight > 0 (plain PEFT is density: none)", self.weight)
        check(self.eps > 0, "eps > 0", self.eps)
        check(self.beta > 0, "beta > 0", self.beta)
        stack_weights = (self.encoder_weight, self.decoder_weight)
        check(min(stack_weights) >= 0 < max(stack_weights), "stack weights >= 0, one of them > 0", stack_weights)
        check(0 <= self.weight_warmup <= 1, "weight_warmup in [0, 1]", self.weight_warmup)
        check(self.eps_start_factor > 0, "eps_start_factor > 0", self.eps_start_factor)
        check(0 < self.eps_anneal <= 1, "eps_anneal in (0, 1]", self.eps_anneal)


Density = NoDensityLoss | DensityLoss


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSkipping:
    """Every MLP block stays."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaDeft:
    """ADA-DEFT: a trained scalar gate on every MLP block; part-way through, the blocks with the lowest gates are removed for good.

    The design is this project's own, since the paper (arXiv 2402.01911) publishes no parametrisation: see `axes/adaptive.py`.

    Attributes:
        skip: at least so many MLP blocks of both stacks together are removed, >= 0; a block whose gate has closed always is, and one
            block always stays.
        weight: of the mean gate in the loss while the gates train, >= 0; larger closes more of them.
        travel: how often a gate could go from 1 to 0 while the gates train, > 0: their step size, for any number of steps.
        recover_share: last share of the steps, in [0, 1), in which the PEFT method goes on training after the blocks are removed.
    """

    kind: Literal["ada"] = "ada"
    skip: int = 0
    weight: float = 0.1
    travel: float = 4.0
    recover_share: float = 0.4

    def __post_init__(self) -> None:
        check(self.skip >= 0, "skip >= 0", self.skip)
        check(self.weight >= 0, "weight >= 0", self.weight)
        check(self.skip > 0 or self.weight > 0, "skip or weight above 0, or else nothing closes a gate", (self.skip, self.weight))
        check(self.travel > 0, "travel > 0", self.travel)
        check(0 <= self.recover_share < 1, "recover_share in [0, 1)", self.recover_share)


Adaptive = NoSkipping | AdaDeft
