"""RIA: weights by their share of their row and column, and the norms of their inputs."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.pruning.pattern import Pattern
from deft_sweeps.config.axes.pruning.weight_pruning import PatternPruning


@dataclass(frozen=True, slots=True, kw_only=True)
class Ria(PatternPruning):
    """Zero the weights of least relative importance and activation (RIA, arXiv 2402.11187),
    calibrated on training examples block by block.

    Attributes:
        sparsity: share of each layer's weights that become zero, in (0, 1).
        n_calibration: training examples the input norms are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
        power: of the input norms, >= 0; the paper has 0.5, and 0 leaves the inputs out.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.pruning.ria_scores:RiaPruner"

    kind: Literal["ria"] = "ria"
    sparsity: float = 0.5
    n_calibration: int = 32
    pattern: Pattern = "unstructured"
    power: float = 0.5

    def __post_init__(self) -> None:
        self.check_sparsity()
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)
        check(self.power >= 0, "power >= 0", self.power)

    @property
    @override
    def label(self) -> str:
        return f"RIA {self.share_label}"

    @property
    @override
    def calibration_examples(self) -> int:
        return self.n_calibration
