"""LoRA and its switches: rsLoRA, DoRA, masked updates."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.axes.quantization.int8 import Int8
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora(TargetedMethod):
    """Low-rank adaptation (arXiv 2106.09685); on an `Nf4` base it is QLoRA (arXiv 2305.14314).

    Attributes:
        r: rank, >= 1.
        alpha: the update is scaled by alpha / r.
        dropout: of the update's input, in [0, 1).
        targets: which linear layers carry an update, in every block of both stacks.
        rslora: scale by alpha / sqrt(r) instead, so that the update's size does not fall with the
            rank (arXiv 2312.03732).
        dora: train the length of each weight row apart from its direction (DoRA, arXiv 2402.09353).
        masked: the update is zero wherever the base's weight is, in training and after a merge (the
            idea of arXiv 2410.03750), so that pruned weights stay pruned.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.lora_layers:attach"

    kind: Literal["lora"] = "lora"
    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[Role, ...] = ("q", "v")
    rslora: bool = False
    dora: bool = False
    masked: bool = False

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.alpha >= 1, "alpha >= 1", self.alpha)
        check(0 <= self.dropout < 1, "dropout in [0, 1)", self.dropout)
        check_targets(self.targets)

    @property
    @override
    def label(self) -> str:
        name = f"{'rs' if self.rslora else ''}{'DoRA' if self.dora else 'LoRA'}"
        return f"{'masked ' if self.masked else ''}{name} r{self.r} on {' '.join(self.targets)}"

    @property
    @override
    def opens_with_peft(self) -> bool:
        return not self.masked

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        reasons = []
        if self.dora and isinstance(config.quantization, Int8):
            reasons.append(
                "DoRA needs the length of each weight row, which cannot be taken of an int8 weight"
            )
        if self.dora and self.masked:
            reasons.append("a masked update replaces LoRA's own arithmetic, and DoRA's with it")
        if self.masked and config.pruning.is_none:
            reasons.append(
                "a masked update keeps a pruned base's zeros, and this base is not pruned"
            )
        return reasons

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        too_high = self.rank_problems(layout, "lora r", self.r)
        return self.absent_targets(config, layout) + too_high

    @override
    def n_trained(self, layout: Layout) -> int:
        return sum(
            self.r * (x.in_features + x.out_features) + self.dora * x.out_features
            for x in self.target_layers(layout)
        )

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        norms = (dtype_bytes + 8) * linear.out_features if self.dora else 0
        return self.float32_input_bytes(linear, dtype_bytes) + 4 * self.r + norms

    @override
    def transient_bytes(self, n_weights: int) -> int:
        # DoRA takes the length of each row of the layer's whole weight.
        return 12 * n_weights if self.dora else 0
