"""The axes of the search: each a closed union of frozen dataclasses, told apart by `kind`.

A member's fields carry the units and ranges; a value out of range raises ValueError when the member is made, so that a
TrialConfig that exists is a TrialConfig that makes sense. What one member cannot be combined with is in `compat.py`.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["q", "k", "v", "o", "gate", "up", "down"]
"""Where a linear layer sits in a block: attention query, key, value, output; the MLP's projection into the activation (`gate`),
the gated MLP's second projection (`up`), the projection back (`down`)."""

Activation = Literal["pretrained", "relu"]
"""The function at the MLP's gate: the one of the checkpoint, or ReLU swapped in for it (relufication, arXiv 2310.04564)."""

Dtype = Literal["fp32", "bf16"]

Pattern = Literal["unstructured", "2:4", "4:8"]
"""Where pruned weights may lie: anywhere, or n zeros in every group of m inputs of a row, which sparse tensor cores can skip."""


def check(holds: bool, expected: str, got: object) -> None:
    """Raise ValueError with one wording when a field is out of its range."""
    if not holds:
        raise ValueError(f"expected {expected}, got {got!r}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unquantized:
    """Weights in the trial's dtype."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nf4:
    """4-bit NormalFloat weights by bitsandbytes (arXiv 2305.14314), computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["nf4"] = "nf4"
    double: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp4:
    """4-bit floating-point weights by bitsandbytes, computing in the trial's dtype.

    Attributes:
        double: quantize the scales too.
    """

    kind: Literal["fp4"] = "fp4"
    double: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """8-bit weights with one scale an output row by bitsandbytes (LLM.int8, arXiv 2208.07339).

    In training the weights are taken back to the trial's dtype; in evaluation the input is quantized too, so that scores hold what is
    lost by that. T5's projection back to d_model stays unquantized: its input passes the range of the float16 that the kernel uses.

    Attributes:
        outlier_threshold: input features beyond it are computed unquantized, > 0; which they are is told by the whole batch.
    """

    kind: Literal["int8"] = "int8"
    outlier_threshold: float = 6.0

    def __post_init__(self) -> None:
        check(self.outlier_threshold > 0, "outlier_threshold > 0", self.outlier_threshold)


Quantization = Unquantized | Nf4 | Fp4 | Int8


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPruning:
    """Dense weights."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnitude:
    """Zero the smallest |W| of each layer.

    Attributes:
        sparsity: share of each linear layer's weights that become zero, in (0, 1).
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    kind: Literal["magnitude"] = "magnitude"
    sparsity: float = 0.5
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanda:
    """Zero the smallest |W| * ||X|| of each output row (arXiv 2306.11695), calibrated on training examples block by block.

    Attributes:
        sparsity: share of each row's weights that become zero, in (0, 1).
        n_calibration: training examples the input norms are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    kind: Literal["wanda"] = "wanda"
    sparsity: float = 0.5
    n_calibration: int = 32
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseGpt:
    """Zero the weights whose loss the others can best make up for, and let them make up for it (arXiv 2301.00774).

    Attributes:
        sparsity: share of each layer's weights that become zero, in (0, 1).
        n_calibration: training examples the inputs' second moments are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
        damping: added to the second moments' diagonal, in shares of its mean, > 0.
    """

    kind: Literal["sparsegpt"] = "sparsegpt"
    sparsity: float = 0.5
    n_calibration: int = 64
    pattern: Pattern = "unstructured"
    damping: float = 0.01

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)
        check(self.damping > 0, "damping > 0", self.damping)


Pruning = NoPruning | Magnitude | Wanda | SparseGpt


def group_of(pattern: Pattern) -> int | None:
    """m of an n:m pattern, the inputs that are pruned together; None where there are no groups."""
    return None if pattern == "unstructured" else int(pattern.partition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """AdamW with warm-up and linear decay.

    Attributes:
        steps: optimiser steps, >= 1.
        batch_size: examples an optimiser step, >= 1.
        accumulation: micro-batches a step is split into, >= 1 and at most batch_size.
        learning_rate: peak, > 0.
        warmup_share: share of the steps over which the rate rises from zero, in [0, 1).
        weight_decay: >= 0.
        max_grad_norm: the gradient's norm over all trained parameters is clipped to it, > 0.
    """

    steps: int = 100
    batch_size: int = 16
    accumulation: int = 1
    learning_rate: float = 1e-3
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        check(self.steps >= 1, "steps >= 1", self.steps)
        check(self.batch_size >= 1, "batch_size >= 1", self.batch_size)
        check(1 <= self.accumulation <= self.batch_size, "accumulation between 1 and batch_size", self.accumulation)
        check(self.learning_rate > 0, "learning_rate > 0", self.learning_rate)
        check(0 <= self.warmup_share < 1, "warmup_share in [0, 1)", self.warmup_share)
        check(self.weight_decay >= 0, "weight_decay >= 0", self.weight_decay)
        check(self.max_grad_norm > 0, "max_grad_norm > 0", self.max_grad_norm)
