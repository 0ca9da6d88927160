"""A model's shape: its blocks, their linear layers and gates, and where the modules are.

A layout is read off a config.json alone, so that a sweep can be planned for a checkpoint that is
not on this machine. Loads no torch.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["q", "k", "v", "o", "gate", "up", "down"]
"""Where a linear layer sits in a block: attention query, key, value, output; the MLP's projection
into the activation (`gate`), the gated MLP's second projection (`up`), the projection back
(`down`)."""

Stack = Literal["encoder", "decoder"]


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear layer.

    Attributes:
        name: path of the module in the model.
        source: whose tokens, and whose padding mask, its input has: `self` is the block's own
            stack; `cross` is the encoder's output, which keys and values of a decoder's
            cross-attention read.
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
        """Of the matrix alone.

        A bias is neither pruned nor quantized; it counts among the layout's other parameters.
        """
        return self.in_features * self.out_features


@dataclass(frozen=True, slots=True)
class Block:
    """One transformer block: its attentions and one MLP.

    Attributes:
        index: within its stack, from 0.
        name: path of the whole block's module.
        mlp: path of the module that gives the MLP's output before the residual is added to it; a
            Pfeiffer adapter goes right after. In BERT and RoBERTa that is the MLP's last
            projection, since no module there holds the whole MLP.
        activation: path of the module whose output is the gate that the density is taken of.
        linears: in the order they are computed in.
        residual: path of the module that normalises, runs the MLP and adds its input, so that
            without the MLP it gives back its input; empty where the norm comes after the sum, as
            in BERT, and is needed even then.
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
        family: `model_type` of its family.
        d_model: width of the hidden states.
        d_ff: width of the gate.
        gated: whether the gate is multiplied with a second projection.
        activation: name of the checkpoint's function at the gate: `relu`, `gelu_new`.
        blocks: of the encoder, then of the decoder.
        embedding_parameters: of the token embedding, and of the output projection where that is a
            matrix of its own.
        other_parameters: of norms, biases, positions and the pooler.
        pooler: path of the pretrained projection that a head reads the first token through; None
            where a head brings its own.
        n_heads: of each attention.
        first_position: index of an input's first token among absolute positions; 0 where
            positions are relative.
        n_positions: tokens that an input may have, which is the rows of the table of absolute
            positions from `first_position` on; None where positions are relative.
        title: the checkpoints of its family, for messages. This and what follows are copied from
            the family by `models.families.layout`, for readers that may not import the families.
        prefix_stack: stack whose self-attention takes a prefix of keys and values; None where the
            implementation takes none.
        int8_excluded: roles of linear layers that int8 does not pack.
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
    n_positions: int | None = None
    title: str = ""
    prefix_stack: Stack | None = None
    int8_excluded: tuple[Role, ...] = ()

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks that there are, in running order."""
        return tuple(dict.fromkeys(block.stack for block in self.blocks))

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
