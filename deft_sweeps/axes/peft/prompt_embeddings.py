"""Prompt tuning by peft."""

from peft import PromptTuningConfig
from torch import nn

from deft_sweeps.axes.peft.prompts import wrap
from deft_sweeps.config.axes import PromptTuning
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: PromptTuning, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap(
        model,
        layout,
        PromptTuningConfig,
        num_virtual_tokens=method.virtual_tokens,
        token_dim=layout.d_model,
        num_transformer_submodules=1,
        prompt_tuning_init="SAMPLE_VOCAB" if method.init == "vocabulary" else "RANDOM",
    )
