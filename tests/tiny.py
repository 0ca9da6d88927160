"""Tiny models of the real architectures with random weights, for tests of what does not need a pretrained one."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, T5Config, T5ForConditionalGeneration

from deft_sweeps.models.checkpoints import load_tokenizer
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


ENCODER_SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def tiny_encoder(family: str = "bert", hidden_act: str = "gelu", vocab_size: int = 96, seed: int = 0) -> nn.Module:
    """A BERT, or a RoBERTa without its pooler, in float32 and evaluation mode."""
    torch.manual_seed(seed)
    settings = {**ENCODER_SHAPE, "vocab_size": vocab_size, "hidden_act": hidden_act}
    model: nn.Module
    if family == "bert":
        model = BertModel(BertConfig(**settings))
    else:
        model = RobertaModel(RobertaConfig(**settings, type_vocab_size=1), add_pooling_layer=False)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


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


def save_tiny(folder: Path, tokenizer_of: str, seed: int = 0) -> None:
    """Save a tiny gated T5 as a checkpoint folder, with the tokenizer of another checkpoint."""
    model: Any = tiny_t5(vocab_size=32128, seed=seed)
    model.save_pretrained(folder)
    load_tokenizer(tokenizer_of).save_pretrained(folder)


def write_reviews(path: Path, n: int = 120) -> Path:
    """A csv of made-up reviews, all distinct, whose label can be read off one word."""
    words = ["plot", "cast", "music", "pace", "script", "light", "sound", "cut", "set", "end", "joke", "fight"]
    lines = ["text,label"]
    for i in range(n):
        good = i % 2 == 0
        noun, other = words[i % 12], words[(i // 12 + 5) % 12]
        lines.append(f"{'great' if good else 'awful'} {noun} and number {i} {other},{'positive' if good else 'negative'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
