"""What every pruning method says of itself, and what those that zero weights share."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.axes.pruning.pattern import Pattern, group_of
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig

CALIBRATION_CHUNK = 32
"""Calibration examples that a block runs over at a time."""


class WeightPruning(AxisMember):
    """Base of the members of the axis `pruning`. `torch_verb` names what makes the pruner of one
    layer's weights from the member: see `axes.pruning.Pruner`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    @override
    def calibration_examples(self) -> int: ...

    @abstractmethod
    def working_bytes(self, layout: Layout) -> int:
        """Of the statistics and copies of one block's widest layer while it is pruned."""


class PatternPruning(WeightPruning):
    """Base of the methods that zero a share of each layer's weights, anywhere or by a pattern."""

    __slots__ = ()
    sparsity: float
    pattern: Pattern

    @property
    def share_label(self) -> str:
        """Share of zeros, or the pattern."""
        return f"{self.sparsity:.3g}" if self.pattern == "unstructured" else self.pattern

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        if self.pattern == "unstructured" or self.sparsity == 0.5:
            return []
        return ["an n:m pattern zeroes half of the weights, so its sparsity is 0.5"]

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        group = group_of(self.pattern)
        if group is None:
            return []
        # The pattern counts along a row, so m must divide every input width.
        odd = {x.role: x.in_features for x in layout.linears if x.in_features % group}
        widths = ", ".join(f"{role} has {width}" for role, width in odd.items())
        what = f"a pattern with groups of {group} needs layers whose number of inputs it divides"
        return [f"{what}, but {widths}"] if odd else []

    @override
    def working_bytes(self, layout: Layout) -> int:
        # Scores, the same in order, and their places as 64-bit integers.
        return 16 * max(linear.n_parameters for linear in layout.linears)

    def check_sparsity(self) -> None:
        """Raise ValueError if the share is out of range."""
        check(0 < self.sparsity < 1, "sparsity in (0, 1)", self.sparsity)
