"""Where each model family keeps its MLPs and attentions: the only file that spells their module names. Loads no torch.

A layout is read off a config.json alone, so that a sweep can be planned for a checkpoint that is not on this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deft_sweeps.config.axes import Role
from deft_sweeps.errors import CheckpointError

Stack = Literal["encoder", "decoder"]

FAMILIES = {"t5": "T5, T5 v1.1 and Flan-T5", "bert": "BERT", "roberta": "RoBERTa"}
"""`model_type` of a config.json, and the checkpoints that have it."""


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear layer.

    Attributes:
        name: path of the module in the model.
        source: whose tokens, and whose padding mask, its input has: `self` is the block's own stack; `cross` is the encoder's output,
            which keys and values of the decoder's cross-attention read.
        bias: whether it adds one.
    """

    name: str
    role: Role
    in_features: int
    out_features: int
    source: Literal["self", "cross"] = "self"
    bias: bool = False

    @property
    def n_parameters(self) -> int:
        """Of the matrix; a bias is neither pruned nor quantized, and counts among the layout's other parameters."""
        return self.in_features * self.out_features


@dataclass(frozen=True, slots=True)
class Block:
    """One transformer block: its attentions and one MLP.

    Attributes:
        index: within its stack, from 0.
        name: path of the whole block's module.
        mlp: path of the module that gives the MLP's output before the residual is added to it; a Pfeiffer adapter goes right after. In
            BERT and RoBERTa that is the MLP's last projection, since no module there holds the whole MLP.
        activation: path of the module whose output is the gate that the density is taken of.
        linears: in the order they are computed in.
        residual: path of the module that normalises, runs the MLP and adds what came in, so that without the MLP it gives back its input;
            empty where the norm comes after the sum, as in BERT, and is needed even then.
    """

    stack: Stack
    index: int
    name: str
    mlp: str
    activation: str
    linears: tuple[Linear, ...]
    residual: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A model's shape.

    Attributes:
        family: key of FAMILIES.
        d_model: width of the hidden states.
        d_ff: width of the gate.
        gated: whether the gate is multiplied with a second projection.
        activation: name of the checkpoint's function at the gate: `relu`, `gelu_new`.
        blocks: of the encoder, then of the decoder, which BERT and RoBERTa have none of.
        embedding_parameters: of the token embedding, and of the output projection where that is a matrix of its own.
        other_parameters: of norms, biases, positions and the pooler.
        pooler: path of the pretrained projection that a head reads the first token through; None where a head brings its own.
        n_heads: of each attention.
        first_position: of absolute positions, which BERT and RoBERTa have, that of an input's first token.
    """

    family: str
    d_model: int
    d_ff: int
    vocab_size: int
    gated: bool
    activation: str
    blocks: tuple[Block, ...]
    embedding_parameters: int
    other_parameters: int
    n_heads: int
    pooler: str | None = None
    first_position: int = 0

    @property
    def has_decoder(self) -> bool:
        """Whether it writes its answer; what has none answers through a head."""
        return any(block.stack == "decoder" for block in self.blocks)

    def head_parameters(self, n_outputs: int) -> int:
        """Of a head that reads classes or a number off the first token; 0 where a decoder writes the answer."""
        own = self.d_model * (self.d_model + 1) if self.pooler is None else 0
        return 0 if self.has_decoder else own + n_outputs * (self.d_model + 1)

    @property
    def linears(self) -> tuple[Linear, ...]:
        """Those of every block; neither embeddings nor the output projection are among them."""
        return tuple(linear for block in self.blocks for linear in block.linears)

    @property
    def linear_parameters(self) -> int:
        """Weights that pruning and quantization may touch."""
        return sum(linear.n_parameters for linear in self.linears)

    @property
    def n_parameters(self) -> int:
        """All of the model's; a head is not among them."""
        return self.linear_parameters + self.embedding_parameters + self.other_parameters


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
