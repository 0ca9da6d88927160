"""AdaLoRA layers of peft, and their part in the training loop."""

from peft import AdaLoraConfig
from torch import nn

from deft_sweeps.axes.peft.rank_allocation import RankAllocation, phases
from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes import AdaLora
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: AdaLora, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    before, after = phases(method, n_steps)
    wrapped = wrap_linears(
        model,
        layout,
        method,
        AdaLoraConfig,
        target_r=method.r,
        init_r=method.r + method.extra,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        tinit=before,
        tfinal=after,
        deltaT=method.every,
        beta1=method.smoothing,
        beta2=method.smoothing,
        total_step=n_steps,
    )
    for name, parameter in wrapped.named_parameters():
        if ".ranknum." in name:
            # The number of ranks is no weight; if the base is not in float32, peft's cast lets it
            # train.
            parameter.requires_grad_(False)
    _own_outputs_(wrapped)
    return wrapped


def allocation(model: nn.Module, method: AdaLora) -> RankAllocation:
    """See `peft_method.allocation`."""
    return RankAllocation(model, method)


def _own_outputs_(model: nn.Module) -> None:
    """Let packed layers give outputs of their own: with a bias they are views, which AdaLoRA's sum
    in place breaks autograd on.
    """
    for module in model.modules():
        packed = getattr(module, "base_layer", None)
        if isinstance(packed, nn.Linear) and type(packed) is not nn.Linear:
            packed.register_forward_hook(lambda _, __, out: out.clone())
