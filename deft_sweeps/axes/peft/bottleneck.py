"""Bottleneck adapters: small trained networks between the frozen layers, each adding nothing at the
start.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from deft_sweeps.config.axes import Adapter
from deft_sweeps.config.layout import Layout


class Bottleneck(nn.Module):
    """scale * up(relu(down(x))) in float32, with `up` zero at the start."""

    def __init__(self, d_model: int, method: Adapter, device: torch.device) -> None:
        super().__init__()
        self.scale = method.scale
        self.down = nn.Linear(d_model, max(1, d_model // method.reduction), device=device)
        self.up = nn.Linear(self.down.out_features, d_model, device=device)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """What the bottleneck adds, in the input's dtype."""
        added: Tensor = self.up(torch.relu(self.down(x.float())))
        return added if self.scale == 1 else self.scale * added


class Adapted(nn.Module):
    """A frozen layer and a bottleneck adapter after it, reading its output, or beside it, reading
    its input.
    """

    def __init__(
        self, layer: nn.Module, d_model: int, method: Adapter, where: Literal["after", "beside"]
    ) -> None:
        super().__init__()
        self.layer = layer
        self.where = where
        self.adapter = Bottleneck(d_model, method, next(layer.parameters()).device)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output plus what the bottleneck adds."""
        y: Tensor = self.layer(x)
        added: Tensor = self.adapter(y if self.where == "after" else x)
        return (y + added).to(y.dtype)


def adapted_layers(layout: Layout, method: Adapter) -> tuple[str, ...]:
    """Paths of the modules that carry an adapter, in running order."""
    names: list[str] = []
    for block in layout.blocks:
        if method.placement == "houlsby":
            names += [linear.name for linear in block.linears if linear.role == "o"]
        names.append(block.mlp)
    return tuple(names)


def attach(model: nn.Module, layout: Layout, method: Adapter, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    where: Literal["after", "beside"] = "beside" if method.placement == "parallel" else "after"
    for name in adapted_layers(layout, method):
        adapted = Adapted(model.get_submodule(name), layout.d_model, method, where)
        model.set_submodule(name, adapted)
    return model
