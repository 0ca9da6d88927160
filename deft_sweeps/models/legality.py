"""What a configuration asks of a model that its shape does not have. Loads no torch."""

from deft_sweeps.config.axes import Adapter, Lora, NoPruning, group_of
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import Layout


def misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this layout; empty where it can."""
    return _peft_misfits(config, layout) + _pattern_misfits(config, layout)


def _pattern_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """An n:m pattern counts along a row, so m must divide every input width."""
    group = None if isinstance(config.pruning, NoPruning) else group_of(config.pruning.pattern)
    odd = {linear.role: linear.in_features for linear in layout.linears if group is not None and linear.in_features % group}
    told = ", ".join(f"{role} has {width}" for role, width in odd.items())
    return [f"a pattern with groups of {group} needs layers whose number of inputs it divides, but {told}"] if odd else []


def _peft_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    match config.peft:
        case Lora(targets=targets, r=r):
            there = {linear.role: min(linear.in_features, linear.out_features) for linear in layout.linears}
            absent = [role for role in targets if role not in there]
            told = [f"lora targets {', '.join(absent)}, but {config.model} has only {', '.join(there)}"] if absent else []
            wide = [role for role in targets if role in there and r > there[role]]
            return told + ([f"lora r {r} is more than the width of {', '.join(wide)}"] if wide else [])
        case Adapter(reduction=reduction):
            if reduction > layout.d_model:
                return [f"adapter reduction {reduction} is more than the model's width, {layout.d_model}"]
            return []
