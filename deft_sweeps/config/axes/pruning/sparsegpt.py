"""SparseGPT: the weights that stay make up for those that go."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.pruning.pattern import Pattern
from deft_sweeps.config.axes.pruning.weight_pruning import PatternPruning
from deft_sweeps.config.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseGpt(PatternPruning):
    """Zero the weights whose loss the others can best make up for, and let them make up for it
    (arXiv 2301.00774).

    Attributes:
        sparsity: share of each layer's weights that become zero, in (0, 1).
        n_calibration: training examples the inputs' second moments are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
        damping: added to the second moments' diagonal, in shares of its mean, > 0.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.pruning.sparsegpt_solver:SparseGptPruner"

    kind: Literal["sparsegpt"] = "sparsegpt"
    sparsity: float = 0.5
    n_calibration: int = 64
    pattern: Pattern = "unstructured"
    damping: float = 0.01

    def __post_init__(self) -> None:
        self.check_sparsity()
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)
        check(self.damping > 0, "damping > 0", self.damping)

    @property
    @override
    def label(self) -> str:
        return f"SparseGPT {self.share_label}"

    @property
    @override
    def calibration_examples(self) -> int:
        return self.n_calibration

    @override
    def working_bytes(self, layout: Layout) -> int:
        # Second moments in float32 of the block's layers, and four float64 matrices of the widest
        # while they are inverted.
        return (4 * 4 + 4 * 8) * max(linear.in_features for linear in layout.linears) ** 2
