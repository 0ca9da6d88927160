"""Plain PEFT, the member that adds no density loss."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.density.gate_penalty import GatePenalty
from deft_sweeps.config.layout import Layout, Stack

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDensityLoss(GatePenalty):
    """Plain PEFT."""

    torch_verb: ClassVar[str] = ""

    kind: Literal["none"] = "none"

    @property
    @override
    def label(self) -> str:
        return "plain"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def leaves_out(self, stack: Stack) -> bool:
        return False

    @override
    def entry_activation_bytes(self, *, upcast_gelu: bool) -> int:
        return 0
