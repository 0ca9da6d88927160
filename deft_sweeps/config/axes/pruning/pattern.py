"""Which of the frozen weights are zero."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.fields import check

Pattern = Literal["unstructured", "2:4", "4:8"]
"""Where pruned weights may lie: anywhere, or n zeros in every group of m inputs of a row, which sparse tensor cores can skip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPruning:
    """Dense weights."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnitude:
    """Zero the smallest |W| of each layer.

    Attributes:
        sparsity: share of each linear layer's weights that become zero, in (0, 1).
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    kind: Literal["magnitude"] = "magnitude"
    sparsity: float = 0.5
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanda:
    """Zero the smallest |W| * ||X|| of each output row (arXiv 2306.11695), calibrated on training examples block by block.

    Attributes:
        sparsity: share of each row's weights that become zero, in (0, 1).
        n_calibration: training examples the input norms are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
    """

    kind: Literal["wanda"] = "wanda"
    sparsity: float = 0.5
    n_calibration: int = 32
    pattern: Pattern = "unstructured"

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseGpt:
    """Zero the weights whose loss the others can best make up for, and let them make up for it (arXiv 2301.00774).

    Attributes:
        sparsity: share of each layer's weights that become zero, in (0, 1).
        n_calibration: training examples the inputs' second moments are taken over, >= 1.
        pattern: where they lie; with n:m the smallest of each group go, which is half of them.
        damping: added to the second moments' diagonal, in shares of its mean, > 0.
    """

    kind: Literal["sparsegpt"] = "sparsegpt"
    sparsity: float = 0.5
    n_calibration: int = 64
    pattern: Pattern = "unstructured"
    damping: float = 0.01

    def __post_init__(self) -> None:
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)
        check(self.n_calibration >= 1, "n_calibration >= 1", self.n_calibration)
        check(self.damping > 0, "damping > 0", self.damping)


Pruning = NoPruning | Magnitude | Wanda | SparseGpt


def group_of(pattern: Pattern) -> int | None:
    """m of an n:m pattern, the inputs that are pruned together; None where there are no groups."""
    return None if pattern == "unstructured" else int(pattern.partition(":")[2])
