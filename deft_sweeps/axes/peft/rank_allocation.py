"""AdaLoRA's second half: which ranks of which layers are kept, decided while it trains (arXiv
2303.10512).
"""

from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.config.axes import AdaLora


def phases(method: AdaLora, n_steps: int) -> tuple[int, int]:
    """Steps before the first cut, and steps after the last."""
    return int(method.warmup_share * n_steps), int(method.final_share * n_steps)


class RankAllocation:
    """What the training loop does for AdaLoRA beside the gradient step.

    Args:
        model: with AdaLoRA attached by peft, whose running means of each rank's importance are
            used.
    """

    def __init__(self, model: nn.Module, method: AdaLora) -> None:
        tuner: Any = model.base_model
        self._tuner = tuner
        self._weight = method.orthogonal_weight
        self._vectors = [
            (name, p)
            for name, p in tuner.named_parameters()
            if "lora_A." in name or "lora_B." in name
        ]

    def penalty(self) -> Tensor:
        """How far the singular vectors are from orthogonal, times its weight: the mean over
        matrices of ||P P^T - I||_F.
        """
        rows = [p if "lora_A." in name else p.T for name, p in self._vectors]
        return (
            self._weight
            * torch.stack(
                [torch.linalg.norm(p @ p.T - torch.eye(len(p), device=p.device)) for p in rows]
            ).mean()
        )

    def after_step(self, step: int) -> None:
        """Cut ranks after the `step`-th optimiser step, from 1, while its gradients are still
        there.
        """
        self._tuner.update_and_allocate(step)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on exactly."""
        allocator = self._tuner.rankallocator
        means = {"sensitivity": allocator.exp_avg_ipt, "uncertainty": allocator.exp_avg_unc}
        return {**means, "kept": self._settings.rank_pattern}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        allocator = self._tuner.rankallocator
        allocator.exp_avg_ipt, allocator.exp_avg_unc = (
            dict(state["sensitivity"]),
            dict(state["uncertainty"]),
        )
        # peft starts the means of a name anew unless it finds the name here; the value itself is of
        # the last step alone.
        allocator.ipt = {
            name: torch.zeros_like(mean) for name, mean in state["sensitivity"].items()
        }
        self._settings.rank_pattern = state["kept"]

    @property
    def _settings(self) -> Any:
        return self._tuner.peft_config[self._tuner.trainable_adapter_name]
