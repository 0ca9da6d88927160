"""ADA-DEFT: trained gates on whole MLP blocks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.adaptive.block_skipping import BlockSkipping
from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaDeft(BlockSkipping):
    """ADA-DEFT: a trained scalar gate on every MLP block; part-way through, the blocks with the
    lowest gates are removed for good.

    The design is this project's own, since the paper (arXiv 2402.01911) publishes no
    parametrisation: see `axes/adaptive.py`.

    Attributes:
        skip: at least so many MLP blocks of both stacks together are removed, >= 0; a block whose
            gate has closed always is, and one block always stays.
        weight: of the mean gate in the loss while the gates train, >= 0; larger closes more of
            them.
        travel: how often a gate could go from 1 to 0 while the gates train, > 0: their step size,
            for any number of steps.
        recover_share: last share of the steps, in [0, 1), in which the PEFT method goes on training
            after the blocks are removed.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.adaptive:gate_blocks_"

    kind: Literal["ada"] = "ada"
    skip: int = 0
    weight: float = 0.1
    travel: float = 4.0
    recover_share: float = 0.4

    def __post_init__(self) -> None:
        check(self.skip >= 0, "skip >= 0", self.skip)
        check(self.weight >= 0, "weight >= 0", self.weight)
        check(
            self.skip > 0 or self.weight > 0,
            "skip or weight above 0, or else nothing closes a gate",
            (self.skip, self.weight),
        )
        check(self.travel > 0, "travel > 0", self.travel)
        check(0 <= self.recover_share < 1, "recover_share in [0, 1)", self.recover_share)

    @property
    @override
    def label(self) -> str:
        return f"ADA {self.weight:.3g}" + (f" skip {self.skip}" if self.skip else "")

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        n_blocks = len(layout.blocks)
        if self.skip < n_blocks:
            return []
        what = (
            f"ada skip {self.skip} would leave none of the {n_blocks} MLP blocks of {config.model}"
        )
        return [f"{what}; at most {n_blocks - 1}"]

    @override
    def n_trained(self, layout: Layout) -> int:
        return len(layout.blocks)

    @override
    def block_activation_bytes(self, layout: Layout) -> int:
        # The output in float32, which the gate's gradient is summed over.
        return 4 * layout.d_model
