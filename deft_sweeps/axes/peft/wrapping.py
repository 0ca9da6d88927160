"""peft's wrapper around a frozen model, for methods on chosen linear layers."""

import logging
from typing import Any

from peft import get_peft_model
from torch import nn

from deft_sweeps.config.axes.peft.method import TargetedMethod
from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.models.families import family_of


def wrap_linears(
    model: nn.Module, layout: Layout, method: TargetedMethod, config_class: Any, **settings: Any
) -> nn.Module:
    """The model with the method on its target layers.

    Args:
        model: frozen.
        layout: where its layers are.
        method: gives the targets.
        config_class: the method's configuration in peft.
        settings: of that configuration, without targets and task.

    Raises:
        ConfigError: the method targets layers that this family does not have.
    """
    roles = {linear.role for linear in layout.linears}
    absent = [role for role in method.targets if role not in roles]
    if absent:
        what = (
            f"{layout.family} has no layer {', '.join(absent)}; it has {', '.join(sorted(roles))}"
        )
        raise ConfigError([Problem(f"peft.{method.kind}.targets", what)])
    # peft warns of tied or non-standard output layers whenever it wraps; none of them is touched
    # here.
    logging.getLogger("peft").setLevel(logging.ERROR)
    names = [linear.name for linear in method.target_layers(layout)]
    task = family_of(layout).linear_task
    wrapped: nn.Module = get_peft_model(
        model, config_class(target_modules=names, task_type=task, **settings)
    )
    return wrapped
