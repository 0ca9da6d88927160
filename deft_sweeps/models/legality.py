"""What a configuration asks of a model that its shape does not have. Loads no torch."""

from collections.abc import Iterable

from deft_sweeps.config.axes import AdaDeft, Adapter, DensityLoss, Lora, NoPruning, group_of
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import Layout


def unmeasured(metrics: Iterable[str], layout: Layout, *, writes: bool) -> list[str]:
    """Which of the metrics that a sweep compares or limits no trial of this model and task will have, and why.

    Args:
        metrics: names of `objective.METRICS`.
        layout: of the model.
        writes: whether answers to the task are generated.
    """
    asked = dict.fromkeys(metrics)
    told = []
    if "decoder_density" in asked and not layout.has_decoder:
        told.append("decoder_density is never measured: the model has no decoder, and activation_density is its encoder's")
    if "written_density" in asked and not (layout.has_decoder and writes):
        told.append("written_density is never measured: the model does not write its answers to this task token by token")
    return told


def misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this layout; empty where it can."""
    return (
        _peft_misfits(config, layout)
        + _pattern_misfits(config, layout)
        + _stack_misfits(config, layout)
        + _adaptive_misfits(config, layout)
    )


def _adaptive_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    n_blocks = len(layout.blocks)
    if isinstance(config.adaptive, AdaDeft) and config.adaptive.skip >= n_blocks:
        return [f"ada skip {config.adaptive.skip} would leave none of the {n_blocks} MLP blocks of {config.model}; at most {n_blocks - 1}"]
    return []


def _stack_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """What a density loss says of the stack that an encoder lacks."""
    loss = config.density
    if layout.has_decoder or not isinstance(loss, DensityLoss):
        return []
    if loss.encoder_weight == 0:
        return [f"encoder_weight 0 leaves nothing of the density loss: {config.model} has no decoder"]
    if loss.decoder_weight != DensityLoss().decoder_weight or loss.stacks != DensityLoss().stacks:
        return [f"decoder_weight and stacks have no effect on {config.model}, which has no decoder, so one trial would run under two names"]
    return []


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
