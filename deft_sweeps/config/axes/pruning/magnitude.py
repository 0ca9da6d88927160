"""Magnitude pruning."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.pruning.pattern import Pattern
from deft_sweeps.config.axes.pruning.weight_pruning import PatternPruning


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnitude(PatternPruning):
    """Zero the smallest |W| of each layer.

    Attributes:
        sparsity: share of each linear layer's weights that become zero, in (0, 1).
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.pruning.magnitude_scores:MagnitudePruner"

    kind: Literal["magnitude"] = "magnitude"
    sparsity: float = 0.5
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        self.check_sparsity()

    @property
    @override
    def label(self) -> str:
        return f"magnitude {self.share_label}"

    @property
    @override
    def calibration_examples(self) -> int:
        return 0
