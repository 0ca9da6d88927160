"""The member that leaves every MLP block in the model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.adaptive.block_skipping import BlockSkipping
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSkipping(BlockSkipping):
    """Every MLP block stays."""

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

    @override
    def n_trained(self, layout: Layout) -> int:
        return 0

    @override
    def block_activation_bytes(self, layout: Layout) -> int:
        return 0
