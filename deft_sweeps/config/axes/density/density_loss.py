"""DEFT's density loss: its settings and schedules."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.density.gate_penalty import GatePenalty
from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.layout import Layout, Stack

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityLoss(GatePenalty):
    """DEFT's density loss (arXiv 2402.01911): L = L_task + weight * L_density.

    Attributes:
        weight: of the density loss beside the task loss, > 0.
        surrogate: per entry x of the gate, `l0` is x^2 / (x^2 + eps), for GELU and everything else;
            `tanh` is tanh(beta * |x|), for ReLU. Both are in [0, 1) and never above the exact
            density.
        eps: of `l0`, > 0; the paper's code has 1e-7, a short run on GELU needs 1e-3 to 1e-2.
        beta: of `tanh`, > 0; larger comes closer to the exact count.
        encoder_weight: factor of the encoder's share, >= 0.
        decoder_weight: factor of the decoder's share, >= 0.
        reduction: `per_entry` puts every entry through the surrogate and takes means over neurons,
            tokens, samples and blocks (the authors' code); `feature_map` takes the mean over
            samples and tokens first (the paper's text).
        stacks: `sum` adds the two stacks' means (the code); `mean` is one mean over all blocks of
            both (the paper).
        padding: `mask` counts real tokens only; `include` counts padded positions too, as the
            authors' code does.
        weight_warmup: share of the steps over which the weight rises linearly to `weight`, in [0,
            1]; 0 has it full from the start.
        eps_start_factor: eps of the first step in multiples of `eps`, > 0, from which it goes to
            `eps` by equal steps of its logarithm: a large one reaches entries far from zero first.
            1 keeps eps where it is.
        eps_anneal: share of the steps that this takes, in (0, 1].
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.density_probe:DensityProbe"

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
        check(
            min(stack_weights) >= 0 < max(stack_weights),
            "stack weights >= 0, one of them > 0",
            stack_weights,
        )
        check(0 <= self.weight_warmup <= 1, "weight_warmup in [0, 1]", self.weight_warmup)
        check(self.eps_start_factor > 0, "eps_start_factor > 0", self.eps_start_factor)
        check(0 < self.eps_anneal <= 1, "eps_anneal in (0, 1]", self.eps_anneal)

    @property
    @override
    def label(self) -> str:
        l0 = self.surrogate == "l0"
        constant = f"l0, eps {self.eps:.1g}" if l0 else f"tanh, beta {self.beta:.3g}"
        weights = {"encoder": self.encoder_weight, "decoder": self.decoder_weight}
        stacks = "".join(
            f", {stack} × {weight:.3g}" for stack, weight in weights.items() if weight != 1
        )
        return f"DEFT {self.weight:.3g} ({constant}{stacks})"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        default = DensityLoss()
        reasons = []
        if self.reduction == "feature_map" and config.training.accumulation > 1:
            what = "the density loss with reduction feature_map takes its mean over the whole batch"
            reasons.append(
                f"{what}, which does not split into the micro-batches of accumulation > 1"
            )
        if self.surrogate == "tanh" and self.eps != default.eps:
            reasons.append(_without_effect("eps has no effect on the surrogate tanh"))
        if self.surrogate == "l0" and self.beta != default.beta:
            reasons.append(_without_effect("beta has no effect on the surrogate l0"))
        if self.surrogate == "tanh" and self.eps_start_factor != 1:
            reasons.append(_without_effect("eps_start_factor has no effect on the surrogate tanh"))
        if self.eps_start_factor == 1 and self.eps_anneal != default.eps_anneal:
            reasons.append(_without_effect("eps_anneal has no effect while eps_start_factor is 1"))
        return reasons

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        default = DensityLoss()
        if "decoder" in layout.stacks:
            return []
        if self.encoder_weight == 0:
            what = "encoder_weight 0 leaves nothing of the density loss"
            return [f"{what}: {config.model} has no decoder"]
        if (self.decoder_weight, self.stacks) != (default.decoder_weight, default.stacks):
            what = (
                f"decoder_weight and stacks have no effect on {config.model}, which has no decoder"
            )
            return [f"{what}, so one trial would run under two names"]
        return []

    @override
    def leaves_out(self, stack: Stack) -> bool:
        return (self.encoder_weight if stack == "encoder" else self.decoder_weight) == 0

    @override
    def entry_activation_bytes(self, *, upcast_gelu: bool) -> int:
        # The square and the sum below the line, or the tanh.
        surrogate = 8 if self.surrogate == "l0" else 4
        return surrogate + (4 if upcast_gelu else 0)


def _without_effect(what: str) -> str:
    return f"{what}, so one configuration would run under several names"
