"""Prefix tuning: trained keys and values before a stack's own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import PeftMethod
from deft_sweeps.config.layout import Block, Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixTuning(PeftMethod):
    """Trained keys and values that the decoder's self-attention sees before its own, in every block
    (arXiv 2101.00190).

    The encoder has none, so only the decoder's density can change.

    Attributes:
        virtual_tokens: length of the prefix, >= 1; the DEFT paper has 60.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.prefix_keys:attach"
    starts_as_identity: ClassVar[bool] = False
    merges: ClassVar[bool] = False

    kind: Literal["prefix_tuning"] = "prefix_tuning"
    virtual_tokens: int = 20

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)

    @property
    @override
    def label(self) -> str:
        return f"prefix {self.virtual_tokens}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        if layout.prefix_stack is None:
            what = "prefix_tuning adds keys and values to an attention"
            return [f"{what}, and those of {layout.title} take none; prompt_tuning and p_tuning do"]
        behind_encoder = layout.prefix_stack == "decoder" and "encoder" in layout.stacks
        if not behind_encoder or not config.density.leaves_out("decoder"):
            return []
        what = "prefix_tuning trains nothing before the encoder's gates"
        return [f"{what}, so a density loss on the encoder alone would do nothing"]

    @override
    def n_trained(self, layout: Layout) -> int:
        blocks = [block for block in layout.blocks if self.trains_through(block, layout)]
        keys = [
            x for block in blocks for x in block.linears if x.role == "k" and x.source == "self"
        ]
        return 2 * self.virtual_tokens * sum(linear.out_features for linear in keys)

    @override
    def trains_through(self, block: Block, layout: Layout) -> bool:
        # A prefix is seen by its own stack alone.
        return block.stack == layout.prefix_stack
