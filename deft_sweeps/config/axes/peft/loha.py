"""LoHa: the product of two low-rank updates, entry by entry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.axes.quantization.four_bit import FourBit
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LoHa(TargetedMethod):
    """Low-rank Hadamard product (FedPara, arXiv 2108.06098): the update is (B1 A1) * (B2 A2), entry
    by entry, whose rank can be r squared.

    Attributes:
        r: rank of each of the two factors, >= 1.
        alpha: the update is scaled by alpha / r.
        targets: which linear layers carry an update, in every block of both stacks.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.loha_layers:attach"

    kind: Literal["loha"] = "loha"
    r: int = 8
    alpha: int = 16
    targets: tuple[Role, ...] = ("q", "v")

    def __post_init__(self) -> None:
        check(self.r >= 1, "r >= 1", self.r)
        check(self.alpha >= 1, "alpha >= 1", self.alpha)
        check_targets(self.targets)

    @property
    @override
    def label(self) -> str:
        return f"LoHa r{self.r} on {' '.join(self.targets)}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        if not isinstance(config.quantization, FourBit):
            return []
        return ["LoHa needs the shape of each weight, which packed 4-bit weights do not show"]

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        too_high = self.rank_problems(layout, "loha r", self.r)
        return self.absent_targets(config, layout) + too_high

    @override
    def n_trained(self, layout: Layout) -> int:
        layers = self.target_layers(layout)
        return sum(2 * self.r * (linear.in_features + linear.out_features) for linear in layers)

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        return self.float32_input_bytes(linear, dtype_bytes)

    @override
    def matrix_bytes(self, linear: Linear) -> int:
        # The update is formed whole in float32, and the input's gradient needs it.
        return 4 * linear.n_parameters if linear.role in self.targets else 0
