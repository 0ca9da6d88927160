"""AdaLoRA: ranks that move between layers while they train."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.adaptive.ada_deft import AdaDeft
from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaLora(TargetedMethod):
    """LoRA as a truncated SVD whose ranks move to the layers that need them most while it trains
    (AdaLoRA, arXiv 2303.10512).

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
        orthogonal_weight: of the penalty that keeps the singular vectors orthogonal, added to the
            training loss, >= 0.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.adalora_layers:attach"
    # AdamW's, and three running values of each parameter's importance.
    optimizer_bytes: ClassVar[int] = 24

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
        check_targets(self.targets)
        shares = (self.warmup_share, self.final_share)
        check(
            min(shares) >= 0 and sum(shares) < 1,
            "warmup_share and final_share >= 0, together below 1",
            shares,
        )
        check(self.every >= 1, "every >= 1", self.every)
        check(0 < self.smoothing < 1, "smoothing in (0, 1)", self.smoothing)
        check(self.orthogonal_weight >= 0, "orthogonal_weight >= 0", self.orthogonal_weight)

    @property
    @override
    def label(self) -> str:
        return f"AdaLoRA r{self.r} on {' '.join(self.targets)}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        reasons = []
        if isinstance(config.adaptive, AdaDeft):
            what = "AdaLoRA shares its ranks out over all layers"
            reasons.append(f"{what}, and ADA-DEFT removes some of those on the way")
        steps = config.training.steps
        if steps - int(self.final_share * steps) < 2:
            what = "AdaLoRA needs a step to weigh its ranks before the one that cuts them last"
            reasons.append(f"{what}: more steps, or a smaller final_share")
        return reasons

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        too_high = self.rank_problems(layout, "adalora r + extra", self.r + self.extra)
        return self.absent_targets(config, layout) + too_high

    @override
    def n_trained(self, layout: Layout) -> int:
        rank = self.r + self.extra
        return sum(rank * (x.in_features + x.out_features + 1) for x in self.target_layers(layout))

    @override
    def n_frozen(self, layout: Layout) -> int:
        return len(self.target_layers(layout))

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        return self.float32_input_bytes(linear, dtype_bytes) + 8 * (self.r + self.extra)
