"""DistilBERT: BERT's tokenizer and half its layers, without segments and pooler. Loads no torch."""

from collections.abc import Mapping
from typing import Any

from deft_sweeps.config.layout import Block, Layout, Linear
from deft_sweeps.models.answering import HeadAnswering
from deft_sweeps.models.config_field import n_layers, whole, word
from deft_sweeps.models.family import Family


def _layout(config: Mapping[str, Any]) -> Layout:
    d_model, d_ff, vocab_size = (
        whole(config, name) for name in ("dim", "hidden_dim", "vocab_size")
    )
    n_positions = whole(config, "max_position_embeddings")
    blocks = tuple(_block(i, d_model, d_ff) for i in range(n_layers(config, "n_layers")))
    biases = sum(linear.out_features for block in blocks for linear in block.linears)
    norms = 2 * d_model * (2 * len(blocks) + 1)
    return Layout(
        family="distilbert",
        d_model=d_model,
        d_ff=d_ff,
        vocab_size=vocab_size,
        gated=False,
        activation=word(config, "activation", "gelu"),
        blocks=blocks,
        embedding_parameters=vocab_size * d_model,
        other_parameters=biases + norms + n_positions * d_model,
        n_heads=whole(config, "n_heads"),
        n_positions=n_positions,
    )


def _block(index: int, d_model: int, d_ff: int) -> Block:
    name = f"transformer.layer.{index}"
    return Block(
        "encoder",
        index,
        name,
        # Unlike BERT, a module holds the whole MLP; the norm comes after the sum, as in BERT.
        f"{name}.ffn",
        f"{name}.ffn.activation",
        (
            Linear(f"{name}.attention.q_lin", "q", d_model, d_model, bias=True),
            Linear(f"{name}.attention.k_lin", "k", d_model, d_model, bias=True),
            Linear(f"{name}.attention.v_lin", "v", d_model, d_model, bias=True),
            Linear(f"{name}.attention.out_lin", "o", d_model, d_model, bias=True),
            Linear(f"{name}.ffn.lin1", "gate", d_model, d_ff, bias=True),
            Linear(f"{name}.ffn.lin2", "down", d_ff, d_model, bias=True),
        ),
    )


_BASE = {
    "model_type": "distilbert",
    "dim": 768,
    "hidden_dim": 3072,
    "n_layers": 6,
    "n_heads": 12,
    "activation": "gelu",
    "vocab_size": 30522,
    "max_position_embeddings": 512,
}

FAMILY = Family(
    model_type="distilbert",
    title="DistilBERT",
    published={
        f"{owner}distilbert-base-{case}": _BASE | {"vocab_size": vocab_size}
        for owner in ("distilbert/", "")
        for case, vocab_size in (("uncased", 30522), ("cased", 28996))
    },
    layout=_layout,
    auto_class="AutoModel",
    load_options={},
    model_inputs=("input_ids", "attention_mask"),
    vocabulary_files=(("tokenizer.json",), ("vocab.txt",)),
    unknown_token="[UNK]",  # noqa: S106 (no secret)
    token_embedding="embeddings.word_embeddings",  # noqa: S106 (no secret)
    optional_pooler=None,
    answering=HeadAnswering(activation="relu", projection="pre_classifier", output="classifier"),
    activation_settings=lambda function, _: {"activation": function},
    linear_task=None,
    prompt_task="FEATURE_EXTRACTION",
    # Its attention takes no keys and values from outside.
    prefix_stack=None,
    int8_excluded=(),
    norm_in_float32=False,
    ct2_loader=None,
    # Taken from BERT, whose tokenizer it has; not measured for DistilBERT.
    evaluate_runtime_bytes=20 * 2**20,
)
