"""Virtual tokens: prefix, prompt and P-tuning. None of them is the identity at the start, and none
can be merged into the base.

A prompt stands before the encoder's real tokens, so the encoder's gates see it; `density.Masks`
leaves it out of every count. A prefix is keys and values only, of the self-attention of the
family's `prefix_stack`: no gate sees it.
"""

from typing import Any

import torch
from peft import PeftModelForFeatureExtraction, PeftModelForSeq2SeqLM, PrefixTuningConfig
from torch import Tensor, nn

from deft_sweeps.config.layout import Layout
from deft_sweeps.models.families import family_of


class PromptedModel(PeftModelForSeq2SeqLM):  # type: ignore[misc]  # PEFT ships no types
    """peft's wrapper, which also takes the output of an earlier run of the encoder: a prompt is in
    it already, a prefix is not.
    """

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **inputs: Any
    ) -> Any:
        """The model's output with the virtual tokens before its own."""
        if inputs.get("encoder_outputs") is None or input_ids is not None:
            return super().forward(input_ids=input_ids, attention_mask=attention_mask, **inputs)
        encoded = inputs["encoder_outputs"][0]
        if isinstance(self.active_peft_config, PrefixTuningConfig):
            inputs["past_key_values"] = self.get_prompt(len(encoded))
        elif attention_mask is not None:
            missing = encoded.shape[1] - attention_mask.shape[1]
            attention_mask = torch.nn.functional.pad(attention_mask, (missing, 0), value=1)
        return self.base_model(attention_mask=attention_mask, **inputs)


class PromptedEncoder(PeftModelForFeatureExtraction):  # type: ignore[misc]  # PEFT ships no types
    """An encoder with absolute positions and virtual tokens, whose real tokens keep the positions
    and segments they were pretrained at.

    peft's own forward pass drops segments and moves every real token, [CLS] first, by as many
    positions as there are virtual tokens. Here the virtual ones all stand at the first token's
    position, which what is learned of them takes in; so a prompt takes nothing of the longest input
    either. The output is of all tokens, virtual ones first.
    """

    first_position = 0

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        **inputs: Any,
    ) -> Any:
        """The model's output with the virtual tokens before its own."""
        n_samples, n_real = input_ids.shape
        n_virtual = self.active_peft_config.num_virtual_tokens
        positions = torch.arange(n_real, device=input_ids.device) + self.first_position
        inputs["attention_mask"] = torch.nn.functional.pad(attention_mask, (n_virtual, 0), value=1)
        if isinstance(self.active_peft_config, PrefixTuningConfig):
            inputs |= {
                "input_ids": input_ids,
                "token_type_ids": token_type_ids,
                "past_key_values": self.get_prompt(n_samples),
            }
            return self.base_model(position_ids=positions.expand(n_samples, -1), **inputs)
        embedded = self.word_embeddings(input_ids)
        inputs["inputs_embeds"] = torch.cat(
            [self.get_prompt(n_samples).to(embedded.dtype), embedded], dim=1
        )
        if token_type_ids is not None:
            inputs["token_type_ids"] = torch.nn.functional.pad(token_type_ids, (n_virtual, 0))
        positions = torch.nn.functional.pad(positions, (n_virtual, 0), value=self.first_position)
        return self.base_model(position_ids=positions.expand(n_samples, -1), **inputs)


_WRAPPERS: dict[str, Any] = {"SEQ_2_SEQ_LM": PromptedModel, "FEATURE_EXTRACTION": PromptedEncoder}


def prefixed_width(layout: Layout) -> tuple[int, int]:
    """How many blocks have a prefix, and how wide its keys are."""
    stack = layout.prefix_stack
    widths = [
        linear.out_features
        for block in layout.blocks
        if block.stack == stack
        for linear in block.linears
        if linear.role == "k"
    ]
    return sum(block.stack == stack for block in layout.blocks), widths[0]


def wrap(model: nn.Module, layout: Layout, config_class: Any, **settings: Any) -> nn.Module:
    """Put virtual tokens before a frozen model's own.

    Args:
        model: frozen.
        layout: of it.
        config_class: the method's configuration in peft.
        settings: of that configuration; its number of layers only if that is not the model's.
    """
    base: Any = model
    task = family_of(layout).prompt_task
    # Every size is given: peft's guesses take the encoder's depth for the decoder's.
    sizes = {
        "num_attention_heads": base.config.num_attention_heads,
        "num_layers": len(layout.blocks),
    }
    config = config_class(task_type=task, **{**sizes, **settings})
    wrapped = _WRAPPERS[task](model, config)
    wrapped.first_position = layout.first_position
    moved: nn.Module = wrapped.to(next(model.parameters()).device)
    return moved
