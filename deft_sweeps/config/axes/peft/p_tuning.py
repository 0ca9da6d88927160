"""P-tuning: embeddings before the input that a trained perceptron makes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import PromptMethod
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PTuning(PromptMethod):
    """Embeddings before the encoder's input that a trained three-layer perceptron makes (P-tuning,
    arXiv 2103.10385).

    Attributes:
        virtual_tokens: how many, >= 1.
        hidden: width of the perceptron, >= 1.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.prompt_perceptron:attach"

    kind: Literal["p_tuning"] = "p_tuning"
    virtual_tokens: int = 20
    hidden: int = 128

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)
        check(self.hidden >= 1, "hidden >= 1", self.hidden)

    @property
    @override
    def label(self) -> str:
        return f"P-tuning {self.virtual_tokens}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def n_trained(self, layout: Layout) -> int:
        width, hidden = layout.d_model, self.hidden
        perceptron = hidden * (width + 1) + hidden * (hidden + 1) + width * (hidden + 1)
        return self.virtual_tokens * width + perceptron
