"""What the rest of the program needs to know about a model family. Loads no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deft_sweeps.config.data import Form
from deft_sweeps.config.layout import Layout, Role, Stack
from deft_sweeps.models.answering import Answering, HeadAnswering, TextAnswering


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One model family. No part has a default, so none can be forgotten.

    Attributes:
        model_type: of a config.json; also `Layout.family`.
        title: the checkpoints that belong to it, for messages.
        published: hub id of well-known checkpoints to the part of their config.json that `layout`
            reads, so that a sweep over one is planned without a download.
        layout: a checkpoint's shape from its config.json; raises KeyError for a missing size.
        auto_class: class of transformers that loads it without the head of any task.
        load_options: more arguments of `from_pretrained`.
        model_inputs: columns of the tokenizer that the model's forward pass takes, each (batch,
            tokens).
        vocabulary_files: sets of files that hold a whole vocabulary each; any one set is enough.
        unknown_token: of the tokenizer, as it is written.
        token_embedding: name of the module in the model; saved models may have a prefix before it.
        optional_pooler: name of the pretrained projection of the first token, which checkpoints
            from masked-LM training lack; None where the family is loaded without one in any case.
        answering: how the model answers; scores classes and generates where it writes text.
        activation_settings: fields of the config that say that the gate has a function, by the
            function's name and the model's shape.
        linear_task: task that peft is told of where a method stands on linear layers; None hands
            every argument of the forward pass through.
        prompt_task: task whose peft wrapper puts virtual tokens before the model's own.
        prefix_stack: stack whose self-attention takes a prefix of keys and values; None where the
            implementation takes none.
        int8_excluded: roles of linear layers that int8 does not pack.
        norm_in_float32: whether the norms are computed in float32 with copies of their input in
            bfloat16, which counts in a trial's projected memory.
        ct2_loader: CTranslate2's loader of the family's models, by class name; None where it runs
            none of them with what answers.
        evaluate_runtime_bytes: resident bytes of tokenizer and metrics on the CPU, from the first
            evaluation on.
    """

    model_type: str
    title: str
    published: Mapping[str, Mapping[str, Any]]
    layout: Callable[[Mapping[str, Any]], Layout]
    auto_class: str
    load_options: Mapping[str, Any]
    model_inputs: tuple[str, ...]
    vocabulary_files: tuple[tuple[str, ...], ...]
    unknown_token: str
    token_embedding: str
    optional_pooler: str | None
    answering: Answering
    activation_settings: Callable[[str, Layout], Mapping[str, Any]]
    linear_task: Literal["SEQ_2_SEQ_LM"] | None
    prompt_task: Literal["SEQ_2_SEQ_LM", "FEATURE_EXTRACTION"]
    prefix_stack: Stack | None
    int8_excluded: tuple[Role, ...]
    norm_in_float32: bool
    ct2_loader: str | None
    evaluate_runtime_bytes: int

    @property
    def form(self) -> Form:
        """How the model answers: by text, or by a head."""
        return self.answering.form

    @property
    def head(self) -> HeadAnswering | None:
        """The head that the model answers through; None where it writes."""
        return self.answering if isinstance(self.answering, HeadAnswering) else None

    @property
    def text(self) -> TextAnswering | None:
        """How the model writes its answer; None where it has a head."""
        return None if isinstance(self.answering, HeadAnswering) else self.answering

    def head_parameters(self, shape: Layout, n_outputs: int) -> int:
        """Trained parameters of a head that reads the first token; 0 where the model writes.

        Args:
            shape: of the model.
            n_outputs: classes, or 1 for a number.
        """
        if self.head is None:
            return 0
        own = shape.d_model * (shape.d_model + 1) if shape.pooler is None else 0
        return own + n_outputs * (shape.d_model + 1)
