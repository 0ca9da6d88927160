"""Sizes of well-known checkpoints on the model hub, so that a sweep over one is planned without a download."""

from typing import Any

_V1_1 = {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}
_ORIGINAL = {"tie_word_embeddings": True, "feed_forward_proj": "relu"}


def _sizes(d_model: int, d_ff: int, d_kv: int, num_heads: int, num_layers: int) -> dict[str, Any]:
    return {
        "model_type": "t5",
        "d_model": d_model,
        "d_ff": d_ff,
        "d_kv": d_kv,
        "num_heads": num_heads,
        "num_layers": num_layers,
        "num_decoder_layers": num_layers,
        "vocab_size": 32128,
        "relative_attention_num_buckets": 32,
    }


_SIZES_V1_1 = {
    "small": _sizes(512, 1024, 64, 6, 8),
    "base": _sizes(768, 2048, 64, 12, 12),
    "large": _sizes(1024, 2816, 64, 16, 24),
    "xl": _sizes(2048, 5120, 64, 32, 24),
    "xxl": _sizes(4096, 10240, 64, 64, 24),
}

_SIZES_ORIGINAL = {
    "small": _sizes(512, 2048, 64, 8, 6),
    "base": _sizes(768, 3072, 64, 12, 12),
    "large": _sizes(1024, 4096, 64, 16, 24),
    "3b": _sizes(1024, 16384, 128, 32, 24),
    "11b": _sizes(1024, 65536, 128, 128, 24),
}


def _encoder(family: str, size: str, vocab_size: int, max_position_embeddings: int, type_vocab_size: int) -> dict[str, Any]:
    d_model, n_layers, n_heads = {"base": (768, 12, 12), "large": (1024, 24, 16)}[size]
    return {
        "model_type": family,
        "hidden_size": d_model,
        "intermediate_size": 4 * d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "hidden_act": "gelu",
        "vocab_size": vocab_size,
        "max_position_embeddings": max_position_embeddings,
        "type_vocab_size": type_vocab_size,
    }


PUBLISHED_CONFIGS: dict[str, dict[str, Any]] = {
    **{f"google/{line}-{size}": sizes | _V1_1 for line in ("flan-t5", "t5-v1_1") for size, sizes in _SIZES_V1_1.items()},
    **{f"{owner}t5-{size}": sizes | _ORIGINAL for owner in ("google-t5/", "") for size, sizes in _SIZES_ORIGINAL.items()},
    **{
        f"{owner}bert-{size}-uncased": _encoder("bert", size, 30522, 512, 2) for owner in ("google-bert/", "") for size in ("base", "large")
    },
    **{f"{owner}roberta-{size}": _encoder("roberta", size, 50265, 514, 1) for owner in ("FacebookAI/", "") for size in ("base", "large")},
}
"""Hub id to the part of its config.json that `families.layout` reads."""
