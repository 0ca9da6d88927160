"""Tiny models of the real architectures with random weights, for tests of what does not need a pretrained one."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from deft_sweeps.models.families import Layout, layout

SHAPE: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4, "vocab_size": 96}


def tiny_t5(gated: bool = True, vocab_size: int = 96, seed: int = 0, n_encoder: int = 2) -> nn.Module:
    """A T5 in float32 and evaluation mode: v1.1 (gated GELU) or the original (ReLU)."""
    torch.manual_seed(seed)
    config = T5Config(
        **{**SHAPE, "vocab_size": vocab_size, "num_layers": n_encoder},
        feed_forward_proj="gated-gelu" if gated else "relu",
        dropout_rate=0.0,
    )
    config.decoder_start_token_id = 0
    model: nn.Module = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    return model


def layout_of(model: Any) -> Layout:
    return layout(model.config.to_dict())


def batch(n: int = 5, seed: int = 0, vocab_size: int = 96) -> dict[str, Tensor]:
    """Inputs of unlike lengths with padding, and labels of unlike lengths."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, vocab_size, (n, 9), generator=generator)
    lengths = torch.randint(3, 10, (n,), generator=generator)
    lengths[0] = 9
    mask = (torch.arange(9) < lengths[:, None]).long()
    labels = torch.randint(2, vocab_size, (n, 4), generator=generator)
    target_lengths = torch.randint(1, 5, (n,), generator=generator)
    target_lengths[-1] = 4
    labels[torch.arange(4) >= target_lengths[:, None]] = -100
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}
