"""Where each model family keeps its MLPs and attentions: the only file that spells their module names. Loads no torch.

A layout is read off a config.json alone, so that a sweep can be planned for a checkpoint that is not on this machine.
"""

from collections.abc import Mapping
from typing import Any, Literal

from deft_sweeps.config.layout import Block, Layout, Linear, Stack
from deft_sweeps.errors import CheckpointError

FAMILIES = {"t5": "T5, T5 v1.1 and Flan-T5", "bert": "BERT", "roberta": "RoBERTa"}
"""`model_type` of a config.json, and the checkpoints that have it."""


def layout(config: Mapping[str, Any]) -> Layout:
    """The layout of the model that a config.json describes.

    Raises:
        CheckpointError: the family is not known, or the config lacks a size.
    """
    family = config.get("model_type")
    if family not in FAMILIES:
        known = "; ".join(f"{name} ({which})" for name, which in FAMILIES.items())
        raise CheckpointError(f"models of the family {family!r} are not known here; those known: {known}")
    try:
        return _t5(config) if family == "t5" else _bert(config, str(family))
    except KeyError as missing:
        raise CheckpointError(f"the model's config.json has no {missing}") from missing


def _t5(config: Mapping[str, Any]) -> Layout:
    d_model, d_ff, vocab_size = int(config["d_model"]), int(config["d_ff"]), int(config["vocab_size"])
    n_heads, d_attention = int(config["num_heads"]), int(config["num_heads"]) * int(config["d_kv"])
    n_encoder = int(config["num_layers"])
    # Missing and null both mean as many as the encoder has.
    n_decoder = int(config.get("num_decoder_layers") or n_encoder)
    projection = str(config.get("feed_forward_proj") or "relu")
    gated = projection.startswith("gated-")
    activation = "gelu_new" if projection == "gated-gelu" else projection.removeprefix("gated-")

    def attention(name: str, *, cross: bool = False) -> tuple[Linear, ...]:
        source: Literal["self", "cross"] = "cross" if cross else "self"
        return (
            Linear(f"{name}.q", "q", d_model, d_attention),
            Linear(f"{name}.k", "k", d_model, d_attention, source),
            Linear(f"{name}.v", "v", d_model, d_attention, source),
            Linear(f"{name}.o", "o", d_attention, d_model),
        )

    def mlp(name: str) -> tuple[Linear, ...]:
        into = (
            (Linear(f"{name}.wi_0", "gate", d_model, d_ff), Linear(f"{name}.wi_1", "up", d_model, d_ff))
            if gated
            else (Linear(f"{name}.wi", "gate", d_model, d_ff),)
        )
        return (*into, Linear(f"{name}.wo", "down", d_ff, d_model))

    def block(stack: Stack, index: int) -> Block:
        name = f"{stack}.block.{index}"
        linears = attention(f"{name}.layer.0.SelfAttention")
        if stack == "decoder":
            linears += attention(f"{name}.layer.1.EncDecAttention", cross=True)
        dense = f"{name}.layer.{1 if stack == 'encoder' else 2}.DenseReluDense"
        return Block(stack, index, name, dense, f"{dense}.act", (*linears, *mlp(dense)), residual=dense.rpartition(".")[0])

    n_norms = 2 * n_encoder + 3 * n_decoder + 2
    n_buckets = int(config.get("relative_attention_num_buckets") or 32)
    tied = config.get("tie_word_embeddings") is not False
    return Layout(
        family="t5",
        d_model=d_model,
        d_ff=d_ff,
        vocab_size=vocab_size,
        gated=gated,
        activation=activation,
        blocks=tuple(block("encoder", i) for i in range(n_encoder)) + tuple(block("decoder", i) for i in range(n_decoder)),
        embedding_parameters=vocab_size * d_model * (1 if tied else 2),
        other_parameters=n_norms * d_model + 2 * n_buckets * n_heads,
        n_heads=n_heads,
    )


def _bert(config: Mapping[str, Any], family: str) -> Layout:
    """BERT and RoBERTa: one stack, every linear layer with a bias, the same module names."""
    d_model, d_ff, vocab_size = int(config["hidden_size"]), int(config["intermediate_size"]), int(config["vocab_size"])

    def block(index: int) -> Block:
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

    blocks = tuple(block(i) for i in range(int(config["num_hidden_layers"])))
    biases = sum(linear.out_features for each in blocks for linear in each.linears)
    norms = 2 * d_model * (2 * len(blocks) + 1)
    positions = (int(config["max_position_embeddings"]) + int(config["type_vocab_size"])) * d_model
    # RoBERTa's was never trained, and is left out when the model is loaded.
    pooler = d_model * (d_model + 1) if family == "bert" else 0
    return Layout(
        family=family,
        d_model=d_model,
        d_ff=d_ff,
        vocab_size=vocab_size,
        gated=False,
        activation=str(config.get("hidden_act") or "gelu"),
        blocks=blocks,
        embedding_parameters=vocab_size * d_model,
        other_parameters=biases + norms + positions + pooler,
        pooler="pooler.dense" if family == "bert" else None,
        n_heads=int(config["num_attention_heads"]),
        # RoBERTa counts on from its padding token's id.
        first_position=0 if family == "bert" else 1 + int(1 if config.get("pad_token_id") is None else config["pad_token_id"]),
    )
