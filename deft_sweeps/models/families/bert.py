"""BERT: one stack, every linear layer with a bias, answers by a head. Loads no torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deft_sweeps.config.layout import Block, Layout, Linear
from deft_sweeps.models.answering import HeadAnswering
from deft_sweeps.models.config_field import flag, n_layers, whole, word
from deft_sweeps.models.family import Family


def encoder_layout(config: Mapping[str, Any], family: str) -> Layout:
    """The shape of BERT without its pooler, which RoBERTa shares, module names included."""
    d_model, d_ff = whole(config, "hidden_size"), whole(config, "intermediate_size")
    vocab_size = whole(config, "vocab_size")
    blocks = tuple(_block(i, d_model, d_ff) for i in range(n_layers(config, "num_hidden_layers")))
    biases = sum(linear.out_features for block in blocks for linear in block.linears)
    norms = 2 * d_model * (2 * len(blocks) + 1)
    n_positions = whole(config, "max_position_embeddings")
    n_segments = whole(config, "type_vocab_size")
    return Layout(
        family=family,
        d_model=d_model,
        d_ff=d_ff,
        vocab_size=vocab_size,
        gated=False,
        activation=word(config, "hidden_act", "gelu"),
        blocks=blocks,
        embedding_parameters=vocab_size * d_model,
        other_parameters=biases + norms + (n_positions + n_segments) * d_model,
        n_heads=whole(config, "num_attention_heads"),
        n_positions=n_positions,
    )


def published_sizes(
    family: str,
    size: str,
    *,
    vocab_size: int,
    n_positions: int,
    n_segments: int,
) -> dict[str, Any]:
    """The part of a config.json that `encoder_layout` reads, for `base` or `large`."""
    d_model, n_layers, n_heads = {"base": (768, 12, 12), "large": (1024, 24, 16)}[size]
    return {
        "model_type": family,
        "hidden_size": d_model,
        "intermediate_size": 4 * d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "hidden_act": "gelu",
        "vocab_size": vocab_size,
        "max_position_embeddings": n_positions,
        "type_vocab_size": n_segments,
    }


def _layout(config: Mapping[str, Any]) -> Layout:
    shape = encoder_layout(config, "bert")
    if not flag(config, "add_pooling_layer", default=True):
        return shape
    n_pooler = shape.d_model * (shape.d_model + 1)
    return replace(shape, other_parameters=shape.other_parameters + n_pooler, pooler="pooler.dense")


def _block(index: int, d_model: int, d_ff: int) -> Block:
    name = f"encoder.layer.{index}"
    attention = f"{name}.attention"
    return Block(
        "encoder",
        index,
        name,
        f"{name}.output.dense",
        f"{name}.intermediate.intermediate_act_fn",
        (
            Linear(f"{attention}.self.query", "q", d_model, d_model, bias=True),
            Linear(f"{attention}.self.key", "k", d_model, d_model, bias=True),
            Linear(f"{attention}.self.value", "v", d_model, d_model, bias=True),
            Linear(f"{attention}.output.dense", "o", d_model, d_model, bias=True),
            Linear(f"{name}.intermediate.dense", "gate", d_model, d_ff, bias=True),
            Linear(f"{name}.output.dense", "down", d_ff, d_model, bias=True),
        ),
    )


FAMILY = Family(
    model_type="bert",
    title="BERT",
    published={
        f"{owner}bert-{size}-uncased": published_sizes(
            "bert",
            size,
            vocab_size=30522,
            n_positions=512,
            n_segments=2,
        )
        for owner in ("google-bert/", "")
        for size in ("base", "large")
    },
    layout=_layout,
    auto_class="AutoModel",
    load_options={},
    model_inputs=("input_ids", "token_type_ids", "attention_mask"),
    vocabulary_files=(("tokenizer.json",), ("vocab.txt",)),
    unknown_token="[UNK]",  # noqa: S106 (no secret)
    token_embedding="embeddings.word_embeddings",  # noqa: S106 (no secret)
    optional_pooler="pooler.dense",
    answering=HeadAnswering(activation="tanh", projection="bert.pooler.dense", output="classifier"),
    activation_settings=lambda function, _: {"hidden_act": function},
    linear_task=None,
    prompt_task="FEATURE_EXTRACTION",
    prefix_stack="encoder",
    int8_excluded=(),
    norm_in_float32=False,
    ct2_loader=None,
    evaluate_runtime_bytes=20 * 2**20,
)
