"""The member that leaves the weights dense."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.pruning.weight_pruning import WeightPruning
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPruning(WeightPruning):
    """Dense weights."""

    torch_verb: ClassVar[str] = ""

    kind: Literal["none"] = "none"

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

    @property
    @override
    def calibration_examples(self) -> int:
        return 0

    @override
    def working_bytes(self, layout: Layout) -> int:
        return 0
