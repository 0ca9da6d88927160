"""The PEFT method: what is trained beside the frozen base."""

from importlib import import_module

from torch import nn

from deft_sweeps.axes.peft.rank_allocation import RankAllocation
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.axes.peft.method import PeftMethod
from deft_sweeps.config.layout import Layout


def attach(
    model: nn.Module, layout: Layout, method: PeftMethod, *, n_steps: int = 1000
) -> nn.Module:
    """Attach trainable parameters, in float32, to a frozen model.

    Random initial values come from torch's global generator.

    Args:
        model: whose parameters are frozen here.
        layout: where its layers are.
        method: what to attach.
        n_steps: of the training to come, which AdaLoRA plans its cuts by.

    Returns:
        The model to train: the one given, or a wrapper around it.

    Raises:
        ConfigError: the method targets layers that this family does not have.
    """
    model.requires_grad_(False)
    attached: nn.Module = verb(method)(model, layout, method, n_steps)
    return attached


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the optimiser changes, by name."""
    return {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }


def allocation(model: nn.Module, method: PeftMethod) -> RankAllocation | None:
    """What the training loop must do for the method beside the gradient step; None for most.

    A method that needs it has a function `allocation(model, method)` beside its `attach`.
    """
    module = import_module(method.torch_verb.partition(":")[0])
    make = getattr(module, "allocation", None)
    return None if make is None else make(model, method)
