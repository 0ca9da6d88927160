"""Bottleneck adapters in three placements."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import PeftMethod
from deft_sweeps.config.layout import Block, Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(PeftMethod):
    """Bottleneck adapter: scale * up(relu(down(x))) is added, `up` starting at zero.

    Attributes:
        reduction: the bottleneck is d_model / reduction wide, >= 1.
        placement: `pfeiffer` after each MLP (arXiv 2005.00247); `houlsby` after each attention's
            output projection as well (arXiv 1902.00751); `parallel` beside each MLP, reading the
            MLP's input (arXiv 2110.04366).
        scale: of what is added, not 0; the paper of `parallel` has 4.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.bottleneck:attach"
    merges: ClassVar[bool] = False

    kind: Literal["adapter"] = "adapter"
    reduction: int = 16
    placement: Literal["pfeiffer", "houlsby", "parallel"] = "pfeiffer"
    scale: float = 1.0

    def __post_init__(self) -> None:
        check(self.reduction >= 1, "reduction >= 1", self.reduction)
        check(self.scale != 0, "scale other than 0", self.scale)

    @property
    @override
    def opens_with_peft(self) -> bool:
        return False

    @property
    @override
    def label(self) -> str:
        where = "" if self.placement == "pfeiffer" else f"{self.placement} "
        return f"{where}adapter /{self.reduction}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        problems = []
        if self.reduction > layout.d_model:
            width = f"the model's width, {layout.d_model}"
            problems.append(f"adapter reduction {self.reduction} is more than {width}")
        bare = any(
            block.mlp in {linear.name for linear in block.linears} for block in layout.blocks
        )
        if self.placement == "parallel" and bare:
            what = "a parallel adapter sits beside a whole MLP"
            problems.append(f"{what}, and {config.model} has no module that holds one")
        return problems

    @override
    def n_trained(self, layout: Layout) -> int:
        n_outputs = sum(linear.role == "o" for linear in layout.linears)
        n_adapters = len(layout.blocks) + (n_outputs if self.placement == "houlsby" else 0)
        width = self._width(layout)
        return n_adapters * (2 * layout.d_model * width + width + layout.d_model)

    @override
    def trains_through(self, block: Block, layout: Layout) -> bool:
        # Nothing before the first adapter has a gradient.
        return self.placement != "pfeiffer" or block.stack == "decoder" or block.index > 0

    @override
    def block_activation_bytes(self, layout: Layout, dtype_bytes: int) -> int:
        upcast = 4 * layout.d_model if dtype_bytes == 2 else 0
        return upcast + 8 * self._width(layout)

    def _width(self, layout: Layout) -> int:
        return max(1, layout.d_model // self.reduction)
