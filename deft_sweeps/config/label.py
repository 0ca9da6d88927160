"""A configuration in words: short for tables, whole for a tooltip."""

from dataclasses import fields, is_dataclass
from typing import assert_never

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    NoDensityLoss,
    NoPruning,
    NoSkipping,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    SparseGpt,
    Unquantized,
    Vera,
    Wanda,
)
from deft_sweeps.config.trial import TrialConfig


def label(config: TrialConfig) -> str:
    """The settings that are swept, in a few words: `LoRA r8 · relu · DEFT 0.5 · NF4 · Wanda 0.5 · lr 0.002`."""
    parts = [_peft(config), "relu" if config.activation == "relu" else "", _density(config), _adaptive(config)]
    parts += [_quantization(config), _pruning(config)]
    return " · ".join([part for part in parts if part] + [f"lr {config.training.learning_rate:.3g}"])


def settings(config: TrialConfig) -> dict[str, str]:
    """Every setting by its dotted name, defaults too: `density.weight`, `training.steps`."""
    return dict(_flat("", config))


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if is_dataclass(value):
        return [row for f in fields(value) for row in _flat(f"{prefix}.{f.name}" if prefix else f.name, getattr(value, f.name))]
    if isinstance(value, tuple):
        return [(prefix, ", ".join(str(part) for part in value))]
    return [(prefix, f"{value:.6g}" if isinstance(value, float) else str(value))]


def _peft(config: TrialConfig) -> str:
    match config.peft:
        case Lora(r=r, targets=targets, rslora=rslora, dora=dora, masked=masked):
            return f"{'masked ' if masked else ''}{'rs' if rslora else ''}{'DoRA' if dora else 'LoRA'} r{r} on {' '.join(targets)}"
        case AdaLora(r=r, targets=targets):
            return f"AdaLoRA r{r} on {' '.join(targets)}"
        case Ia3(targets=targets):
            return f"IA3 on {' '.join(targets)}"
        case Vera(r=r, targets=targets):
            return f"VeRA r{r} on {' '.join(targets)}"
        case Oft(block=block, targets=targets):
            return f"OFT {block} on {' '.join(targets)}"
        case PrefixTuning(virtual_tokens=n):
            return f"prefix {n}"
        case PromptTuning(virtual_tokens=n):
            return f"prompt {n}"
        case PTuning(virtual_tokens=n):
            return f"P-tuning {n}"
        case Adapter(reduction=reduction, placement="pfeiffer"):
            return f"adapter /{reduction}"
        case Adapter(reduction=reduction, placement=placement):
            return f"{placement} adapter /{reduction}"
        case unknown:
            assert_never(unknown)


def _density(config: TrialConfig) -> str:
    match config.density:
        case NoDensityLoss():
            return "plain"
        case DensityLoss(weight=weight, surrogate="l0", eps=eps) as loss:
            return f"DEFT {weight:.3g} (l0, eps {eps:.1g}{_stacks(loss)})"
        case DensityLoss(weight=weight, beta=beta) as loss:
            return f"DEFT {weight:.3g} (tanh, beta {beta:.3g}{_stacks(loss)})"
        case unknown:
            assert_never(unknown)


def _stacks(loss: DensityLoss) -> str:
    """The stacks' own weights, where they are not 1."""
    weights = (("encoder", loss.encoder_weight), ("decoder", loss.decoder_weight))
    return "".join(f", {stack} × {weight:.3g}" for stack, weight in weights if weight != 1)


def _adaptive(config: TrialConfig) -> str:
    match config.adaptive:
        case NoSkipping():
            return ""
        case AdaDeft(skip=0, weight=weight):
            return f"ADA {weight:.3g}"
        case AdaDeft(skip=skip, weight=weight):
            return f"ADA {weight:.3g} skip {skip}"
        case unknown:
            assert_never(unknown)


def _quantization(config: TrialConfig) -> str:
    match config.quantization:
        case Unquantized():
            return ""
        case Nf4(double=double):
            return "NF4 double" if double else "NF4"
        case Fp4(double=double):
            return "FP4 double" if double else "FP4"
        case Int8():
            return "int8"
        case unknown:
            assert_never(unknown)


def _pruning(config: TrialConfig) -> str:
    match config.pruning:
        case NoPruning():
            return ""
        case Magnitude(sparsity=sparsity, pattern=pattern):
            return f"magnitude {_zeros(sparsity, pattern)}"
        case Wanda(sparsity=sparsity, pattern=pattern):
            return f"Wanda {_zeros(sparsity, pattern)}"
        case SparseGpt(sparsity=sparsity, pattern=pattern):
            return f"SparseGPT {_zeros(sparsity, pattern)}"
        case unknown:
            assert_never(unknown)


def _zeros(sparsity: float, pattern: str) -> str:
    return f"{sparsity:.3g}" if pattern == "unstructured" else pattern
