"""ReLU at the gate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.activation.gate_activation import GateActivation
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(GateActivation):
    """ReLU swapped in for the checkpoint's function (relufication, arXiv 2310.04564)."""

    torch_verb: ClassVar[str] = "deft_sweeps.axes.activation.relu_gate:make_gate"

    kind: Literal["relu"] = "relu"

    @property
    @override
    def label(self) -> str:
        return "relu"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def keeps_input(self, layout: Layout) -> bool:
        return False
