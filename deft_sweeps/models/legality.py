"""What a configuration asks of a model that its shape does not have. Loads no torch."""

from deft_sweeps.config.axes import AdaDeft, Adapter, Lora
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import Layout


def misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this layout; empty where it can."""
    return _peft_misfits(config, layout) + _adaptive_misfits(config, layout)


def _adaptive_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    n_blocks = len(layout.blocks)
    if isinstance(config.adaptive, AdaDeft) and config.adaptive.skip >= n_blocks:
        return [f"ada skip {config.adaptive.skip} would leave none of the {n_blocks} MLP blocks of {config.model}; at most {n_blocks - 1}"]
    return []


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
