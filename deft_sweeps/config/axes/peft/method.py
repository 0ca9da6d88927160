"""PEFT methods."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.layout import Role


def _check_targets(targets: tuple[Role, ...]) -> None:
    check(len(targets) > 0, "at least one target", targets)
    check(len(set(targets)) == len(targets), "targets named once each", targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adaptation (arXiv 2106.09685); on an `Nf4` base it is QLoRA (arXiv 2305.14314).

    Attributes:
        r: rank, >= 1.
        alpha: the update is scaled by alpha / r.
        dropout: of the update's input, in [0, 1).
        targets: which linear layers carry an update, in every block of both stacks.
        rslora: scale by alpha / sqrt(r) instead, so that the update's size does not fall with the rank (arXiv 2312.03732).
        dora: train the length of each weight row apart from its direction (DoRA, arXiv 2402.09353).
        masked: the update is zero wherever the base's weight is, in training and after a merge (the idea of arXiv 2410.03750), so that
            pruned weights stay pruned.
    """

    kind: Literal["lora"] = "lora"
    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[Role, ...] = ("q", "v")
    rslora: bool = False
    dora: bool = False
    masked: bool = False

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.alpha >= 1, "alpha >= 1", self.alpha)
        check(0 <= self.dropout < 1, "dropout in [0, 1)", self.dropout)
        _check_targets(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaLora:
    """LoRA as a truncated SVD whose ranks move to the layers that need them most while it trains (AdaLoRA, arXiv 2303.10512).

    Attributes:
        r: mean rank a layer has left at the end, >= 1.
        extra: ranks a layer has beyond that at the start, >= 1.
        alpha: the update is scaled by alpha / (r + extra).
        dropout: of the update's input, in [0, 1).
        targets: which linear layers carry an update, in every block of both stacks.
        warmup_share: share of the steps before ranks are cut, >= 0.
        final_share: share of the steps after the last cut, >= 0; with warmup_share below 1.
        every: steps from one cut to the next, >= 1.
        smoothing: of the running means of a rank's sensitivity and of its uncertainty, in (0, 1).
        orthogonal_weight: of the penalty that keeps the singular vectors orthogonal, added to the training loss, >= 0.
    """

    kind: Literal["adalora"] = "adalora"
    r: int = 8
    extra: int = 4
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[Role, ...] = ("q", "v")
    warmup_share: float = 0.1
    final_share: float = 0.3
    every: int = 1
    smoothing: float = 0.85
    orthogonal_weight: float = 0.5

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.extra >= 1, "extra >= 1 (without ranks to cut it is LoRA)", self.extra)
        check(self.alpha >= 1, "alpha >= 1", self.alpha)
        check(0 <= self.dropout < 1, "dropout in [0, 1)", self.dropout)
        _check_targets(self.targets)
        shares = (self.warmup_share, self.final_share)
        check(min(shares) >= 0 and sum(shares) < 1, "warmup_share and final_share >= 0, together below 1", shares)
        check(self.every >= 1, "every >= 1", self.every)
        check(0 < self.smoothing < 1, "smoothing in (0, 1)", self.smoothing)
        check(self.orthogonal_weight >= 0, "orthogonal_weight >= 0", self.orthogonal_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ia3:
    """One trained factor a feature, 1 at the start (IA3, arXiv 2205.05638).

    Attributes:
        targets: which linear layers are scaled, in every block of both stacks: `down` on its input, every other one on its output.
    """

    kind: Literal["ia3"] = "ia3"
    targets: tuple[Role, ...] = ("k", "v", "down")

    def __post_init__(self) -> None:
        _check_targets(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vera:
    """LoRA with one pair of frozen random matrices that all layers share, drawn from the trial's seed; two scaling vectors a layer
    train (VeRA, arXiv 2310.11454).

    Attributes:
        r: rank of the shared matrices, >= 1; the paper has 256 to 1024.
        d_initial: first value of the vector between the two matrices, not 0; the one after them starts at 0.
        dropout: of the update's input, in [0, 1).
        targets: which linear layers carry an update, in every block of both stacks.
    """

    kind: Literal["vera"] = "vera"
    r: int = 256
    d_initial: float = 0.1
    dropout: float = 0.0
    targets: tuple[Role, ...] = ("q", "v")

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.d_initial != 0, "d_initial other than 0", self.d_initial)
        check(0 <= self.dropout < 1, "dropout in [0, 1)", self.dropout)
        _check_targets(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oft:
    """Orthogonal finetuning: each layer's input is rotated block by block, by the identity at the start (OFT, arXiv 2306.07280).

    The rotation is the Cayley transform of a trained skew-symmetric matrix, as a series of five terms.

    Attributes:
        block: features a block, >= 2; the input width of every target must be a multiple of it.
        targets: which linear layers are rotated, in every block of both stacks.
    """

    kind: Literal["oft"] = "oft"
    block: int = 32
    targets: tuple[Role, ...] = ("q", "v")

    def __post_init__(self) -> None:
        check(self.block >= 2, "block >= 2", self.block)
        _check_targets(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixTuning:
    """Trained keys and values that the decoder's self-attention sees before its own, in every block (arXiv 2101.00190).

    The encoder has none, so only the decoder's density can change.

    Attributes:
        virtual_tokens: length of the prefix, >= 1; the DEFT paper has 60.
    """

    kind: Literal["prefix_tuning"] = "prefix_tuning"
    virtual_tokens: int = 20

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTuning:
    """Trained embeddings before the encoder's input (arXiv 2104.08691).

    Attributes:
        virtual_tokens: how many, >= 1; the DEFT paper has 60.
        init: `vocabulary` starts at the embeddings of tokens drawn at random, `random` at a standard normal.
    """

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    virtual_tokens: int = 20
    init: Literal["vocabulary", "random"] = "vocabulary"

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class PTuning:
    """Embeddings before the encoder's input that a trained three-layer perceptron makes (P-tuning, arXiv 2103.10385).

    Attributes:
        virtual_tokens: how many, >= 1.
        hidden: width of the perceptron, >= 1.
    """

    kind: Literal["p_tuning"] = "p_tuning"
    virtual_tokens: int = 20
    hidden: int = 128

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)
        check(self.hidden >= 1, "hidden >= 1", self.hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Bottleneck adapter: scale * up(relu(down(x))) is added, `up` starting at zero.

    Attributes:
        reduction: the bottleneck is d_model / reduction wide, >= 1.
        placement: `pfeiffer` after each MLP (arXiv 2005.00247); `houlsby` after each attention's output projection as well
            (arXiv 1902.00751); `parallel` beside each MLP, reading the MLP's input (arXiv 2110.04366).
        scale: of what is added, not 0; the paper of `parallel` has 4.
    """

    kind: Literal["adapter"] = "adapter"
    reduction: int = 16
    placement: Literal["pfeiffer", "houlsby", "parallel"] = "pfeiffer"
    scale: float = 1.0

    def __post_init__(self) -> None:
        check(self.reduction >= 1, "reduction >= 1", self.reduction)
        check(self.scale != 0, "scale other than 0", self.scale)


Peft = Lora | Adapter | AdaLora | Ia3 | Vera | Oft | PrefixTuning | PromptTuning | PTuning

Targeted = Lora | AdaLora | Ia3 | Vera | Oft
"""Methods that sit on chosen linear layers."""

Prompted = PromptTuning | PTuning
"""Methods that put virtual tokens before the encoder's input."""
