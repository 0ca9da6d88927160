"""OFT: trained rotations of a layer's input."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Oft(TargetedMethod):
    """Orthogonal finetuning: each layer's input is rotated block by block, by the identity at the
    start (OFT, arXiv 2306.07280).

    The rotation is the Cayley transform of a trained skew-symmetric matrix, as a series of five
    terms.

    Attributes:
        block: features a block, >= 2; the input width of every target must be a multiple of it.
        targets: which linear layers are rotated, in every block of both stacks.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.oft_rotations:attach"

    kind: Literal["oft"] = "oft"
    block: int = 32
    targets: tuple[Role, ...] = ("q", "v")

    def __post_init__(self) -> None:
        check(self.block >= 2, "block >= 2", self.block)
        check_targets(self.targets)

    @property
    @override
    def label(self) -> str:
        return f"OFT {self.block} on {' '.join(self.targets)}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        widths = {linear.role: linear.in_features for linear in layout.linears}
        sizes = {role: widths[role] for role in self.targets if role in widths}
        uneven = [f"{role} ({width})" for role, width in sizes.items() if width % self.block]
        what = f"oft block {self.block} does not divide the input width of {', '.join(uneven)}"
        return self.absent_targets(config, layout) + ([what] if uneven else [])

    @override
    def n_trained(self, layout: Layout) -> int:
        skew = self.block * (self.block - 1) // 2
        return sum(linear.in_features // self.block * skew for linear in self.target_layers(layout))

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        return self.float32_input_bytes(linear, dtype_bytes) + 4 * linear.in_features
