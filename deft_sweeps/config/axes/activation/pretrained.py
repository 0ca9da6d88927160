"""The checkpoint's own activation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.activation.gate_activation import GateActivation
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained(GateActivation):
    """The function that the checkpoint was trained with."""

    torch_verb: ClassVar[str] = "deft_sweeps.axes.activation.pretrained_gate:make_gate"

    kind: Literal["pretrained"] = "pretrained"

    @property
    @override
    def label(self) -> str:
        return ""

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def keeps_input(self, layout: Layout) -> bool:
        return layout.activation != "relu"
