"""Wanda: weights by the norms of their inputs."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.pruning.pattern import Pattern
from deft_sweeps.config.axes.pruning.weight_pruning import PatternPruning


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanda(PatternPruning):
    """Zero the smallest |W| * ||X|| of each output row (arXiv 2306.11695), calibrated on training
    examples block by block.

    Attributes:
        sparsity: share of each row's weights that become zero, in (0, 1).
        n_calibration: training examples the input norms are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.pruning.wanda_scores:WandaPruner"

    kind: Literal["wanda"] = "wanda"
    sparsity: float = 0.5
    n_calibration: int = 32
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        self.check_sparsity()
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)

    @property
    @override
    def label(self) -> str:
        return f"Wanda {self.share_label}"

    @property
    @override
    def calibration_examples(self) -> int:
        return self.n_calibration
