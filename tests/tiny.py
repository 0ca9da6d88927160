"""Tiny models of the real architectures with random weights, for tests of what does not need a
pretrained one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from deft_sweeps.config.layout import Layout
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.models.families import FAMILIES, layout

SHAPE: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "vocab_size": 96,
}


def tiny_t5(
    gated: bool = True, vocab_size: int = 96, seed: int = 0, n_encoder: int = 2
) -> nn.Module:
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


@dataclass(frozen=True)
class TinyFamily:
    """How a family with a head is built tiny.

    Attributes:
        build: the model of transformers, from the function at the gate and a vocabulary's size.
        special_tokens: padding, start, end and unknown, in the order of their ids.
        segments: whether its tokenizers tell the second text of a pair apart.
    """

    build: Callable[[str, int], nn.Module]
    special_tokens: dict[str, str]
    segments: bool


BERT_TOKENS = {
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
}
ROBERTA_TOKENS = {
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
}


def _bert(hidden_act: str, vocab_size: int) -> nn.Module:
    model: nn.Module = BertModel(
        BertConfig(**ENCODER_SHAPE, vocab_size=vocab_size, hidden_act=hidden_act)
    )
    return model


def _roberta(hidden_act: str, vocab_size: int) -> nn.Module:
    settings = {**ENCODER_SHAPE, "vocab_size": vocab_size, "hidden_act": hidden_act}
    model: nn.Module = RobertaModel(
        RobertaConfig(**settings, type_vocab_size=1), add_pooling_layer=False
    )
    return model


def _distilbert(hidden_act: str, vocab_size: int) -> nn.Module:
    shape = {
        "dim": 32,
        "hidden_dim": 48,
        "n_layers": 2,
        "n_heads": 4,
        "max_position_embeddings": 64,
    }
    config = DistilBertConfig(
        **shape, dropout=0.0, attention_dropout=0.0, vocab_size=vocab_size, activation=hidden_act
    )
    model: nn.Module = DistilBertModel(config)
    return model


TINY_FAMILIES = {
    "bert": TinyFamily(_bert, BERT_TOKENS, segments=True),
    # Its checkpoints come with BERT's tokenizer, which tells segments apart.
    "distilbert": TinyFamily(_distilbert, BERT_TOKENS, segments=True),
    "roberta": TinyFamily(_roberta, ROBERTA_TOKENS, segments=False),
}

HEAD_FAMILIES = [family.model_type for family in FAMILIES.values() if family.head is not None]
"""Every registered family that answers by a head; one without a tiny model fails the tests."""


def tiny_encoder(
    family: str = "bert", hidden_act: str = "gelu", vocab_size: int = 96, seed: int = 0
) -> nn.Module:
    """A model without a head, in float32 and evaluation mode."""
    torch.manual_seed(seed)
    model = TINY_FAMILIES[family].build(hidden_act, vocab_size)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def pad_id_of(family: str) -> int:
    return list(TINY_FAMILIES[family].special_tokens).index("pad_token")


def tiny_tokenizer(family: str, texts: Iterable[str]) -> Any:
    """One token a word, and the special tokens where the family has them."""
    tokens, segments = TINY_FAMILIES[family].special_tokens, TINY_FAMILIES[family].segments
    start, end = tokens["cls_token"], tokens["sep_token"]
    words = sorted({word for text in texts for word in text.lower().split()})
    vocab = {token: i for i, token in enumerate([*tokens.values(), *words])}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token=tokens["unk_token"]))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = WhitespaceSplit()
    second = ":1" if segments else ""
    tokenizer.post_processor = TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B{second} {end}{second}",
        special_tokens=[(start, vocab[start]), (end, vocab[end])],
    )
    names = (
        ["input_ids", "token_type_ids", "attention_mask"]
        if segments
        else ["input_ids", "attention_mask"]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens, model_input_names=names)


def save_tiny_encoder(
    folder: Path, family: str, texts: Iterable[str], hidden_act: str = "gelu"
) -> None:
    """Save a tiny model with a head as a checkpoint folder, with a tokenizer that knows the words
    of `texts`.
    """
    tokenizer = tiny_tokenizer(family, texts)
    model: Any = tiny_encoder(family, hidden_act, vocab_size=len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


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
    words = [
        "plot",
        "cast",
        "music",
        "pace",
        "script",
        "light",
        "sound",
        "cut",
        "set",
        "end",
        "joke",
        "fight",
    ]
    lines = ["text,label"]
    for i in range(n):
        good = i % 2 == 0
        noun, other = words[i % 12], words[(i // 12 + 5) % 12]
        lines.append(
            f"{'great' if good else 'awful'} {noun} and number {i}"
            f" {other},{'positive' if good else 'negative'}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
