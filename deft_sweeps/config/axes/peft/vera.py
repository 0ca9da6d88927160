"""VeRA: trained scalings of random matrices that all layers share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Vera(TargetedMethod):
    """LoRA with one pair of frozen random matrices that all layers share, drawn from the trial's
    seed; two scaling vectors a layer train (VeRA, arXiv 2310.11454).

    Attributes:
        r: rank of the shared matrices, >= 1; the paper has 256 to 1024.
        d_initial: first value of the vector between the two matrices, not 0; the one after them
            starts at 0.
        dropout: of the update's input, in [0, 1).
        targets: which linear layers carry an update, in every block of both stacks.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.vera_layers:attach"

    kind: Literal["vera"] = "vera"
    r: int = 256
    d_initial: float = 0.1
    dropout: float = 0.0
    targets: tuple[Role, ...] = ("q", "v")

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.d_initial != 0, "d_initial other than 0", self.d_initial)
        check(0 <= self.dropout < 1, "dropout in [0, 1)", self.dropout)
        check_targets(self.targets)

    @property
    @override
    def label(self) -> str:
        return f"VeRA r{self.r} on {' '.join(self.targets)}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return self.absent_targets(config, layout)

    @override
    def n_trained(self, layout: Layout) -> int:
        return sum(self.r + linear.out_features for linear in self.target_layers(layout))

    @override
    def n_frozen(self, layout: Layout) -> int:
        layers = self.target_layers(layout)
        widest_input = max((linear.in_features for linear in layers), default=0)
        widest_output = max((linear.out_features for linear in layers), default=0)
        return self.r * (widest_input + widest_output)

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        return 4 * self.r + 4 * linear.out_features
