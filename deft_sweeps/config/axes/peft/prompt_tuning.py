"""Prompt tuning: trained embeddings before the input."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from deft_sweeps.config.axes.fields import check
from deft_sweeps.config.axes.peft.method import PromptMethod
from deft_sweeps.config.layout import Layout

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTuning(PromptMethod):
    """Trained embeddings before the encoder's input (arXiv 2104.08691).

    Attributes:
        virtual_tokens: how many, >= 1; the DEFT paper has 60.
        init: `vocabulary` starts at the embeddings of tokens drawn at random, `random` at a
            standard normal.
    """

    torch_verb: ClassVar[str] = "deft_sweeps.axes.peft.prompt_embeddings:attach"

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    virtual_tokens: int = 20
    init: Literal["vocabulary", "random"] = "vocabulary"

    def __post_init__(self) -> None:
        check(self.virtual_tokens >= 1, "virtual_tokens >= 1", self.virtual_tokens)

    @property
    @override
    def label(self) -> str:
        return f"prompt {self.virtual_tokens}"

    @override
    def conflicts(self, config: "TrialConfig") -> list[str]:
        return []

    @override
    def shape_problems(self, config: "TrialConfig", layout: Layout) -> list[str]:
        return []

    @override
    def n_trained(self, layout: Layout) -> int:
        return self.virtual_tokens * layout.d_model
