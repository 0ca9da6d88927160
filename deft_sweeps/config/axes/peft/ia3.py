"""IA3: one trained factor a feature."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.peft.method import TargetedMethod, check_targets
from deft_sweeps.config.layout import Layout, Linear, Role

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Ia3(TargetedMethod):
    """One trained factor a feature, 1 at the start (IA3, arXiv 2205.05638).

    Attributes:
        targets: which linear layers are scaled, in every block of both stacks: `down` on its input,
            every other one on its output.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.ia3_vectors:attach"

    kind: Literal["ia3"] = "ia3"
    targets: tuple[Role, ...] = ("k", "v", "down")

    def __post_init__(self) -> None:
        check_targets(self.targets)

    @property
    @override
    def label(self) -> str:
        return f"IA3 on {' '.join(self.targets)}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return self.absent_targets(config, layout)

    @override
    def n_trained(self, layout: Layout) -> int:
        return sum(_n_scaled(linear) for linear in self.target_layers(layout))

    @override
    def target_activation_bytes(self, linear: Linear, dtype_bytes: int) -> int:
        return dtype_bytes * _n_scaled(linear)


def _n_scaled(linear: Linear) -> int:
    return linear.in_features if linear.role == "down" else linear.out_features
