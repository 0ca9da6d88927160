"""8-bit weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.layout import Layout, Linear

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8(Packing):
    """8-bit weights with one scale an output row by bitsandbytes (LLM.int8, arXiv 2208.07339).

    In training the weights are taken back to the trial's dtype. In evaluation the input is
    quantized too, and the scores include that loss. Layers whose input may pass the range of
    float16, which the kernel uses, stay unquantized; the model's family names them
    (`Layout.int8_excluded`).

    Attributes:
        outlier_threshold: input features beyond it are computed unquantized, > 0; which they are is
            told by the whole batch.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.quantization.int8_layers:pack"
    evaluation_slowdown: ClassVar[float] = 2.9
    # The kernel takes and frees many blocks of odd sizes at each layer.
    evaluation_heap: ClassVar[float] = 7.5
    quantizes_inputs: ClassVar[bool] = True

    kind: Literal["int8"] = "int8"
    outlier_threshold: float = 6.0

    def __post_init__(self) -> None:
        check(self.outlier_threshold > 0, "outlier_threshold > 0", self.outlier_threshold)

    @property
    @override
    def label(self) -> str:
        return "int8"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def packed_linears(self, layout: Layout) -> tuple[Linear, ...]:
        return tuple(x for x in layout.linears if x.role not in layout.int8_excluded)

    @property
    @override
    def bitsandbytes_settings(self) -> Mapping[str, object]:
        return {"load_in_8bit": True, "llm_int8_threshold": self.outlier_threshold}

    @override
    def packed_bytes(self, layout: Layout) -> float:
        # One byte for each weight and a float32 scale for each row.
        n_rows = sum(linear.out_features for linear in self.packed_linears(layout))
        return self.n_packed(layout) + 4 * n_rows
