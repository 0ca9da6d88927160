"""The gate of every MLP block: which function it is, at which threshold its entries are dropped,
and who reads it.

The gate is O = f(X W_in), the output of the MLP's activation; in a gated MLP that is before the
product with the second projection. It is computed in float32 whatever the base's dtype: a GELU is
exactly zero where the float saturates, so that the same weights look sparser in bfloat16 than in
float32.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from deft_sweeps.axes.activation.gate_pass import TokenReader, gate_pass, thresholded_entries
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.axes import ACTIVATIONS, Activation
from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import CheckpointError

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu,
}
"""By the name that a transformers config gives them; `gelu_new` is the tanh approximation of arXiv
1606.08415."""

EXACT_ZEROS = frozenset({"relu"})
"""Functions that are exactly zero over a range of inputs. The others reach zero only where the
float saturates."""


EntryReader = Callable[[Tensor, Tensor], None]
"""Called with the pre-activation (batch, tokens, d_ff) in the base's dtype and the gate, same
shape, in float32."""

Reader = EntryReader | TokenReader
"""Needs all entries, or one number a token, which costs less."""


class Gate(nn.Module):
    """An MLP's activation in float32, with a threshold and at most one reader.

    Args:
        function: its name; a key of FUNCTIONS unless `compute` is given.
        compute: the function itself; None takes it from FUNCTIONS.

    Attributes:
        threshold: entries with |O| <= threshold become zero; 0 changes nothing, and NaN stays NaN.
        block_threshold: the same, of this block alone; the larger of the two counts.
        skipped: the whole MLP block was removed, so that this gate never runs again and counts as
            all zero.
        reader: sees every forward pass, a recomputation under gradient checkpointing included; None
            reads nothing.
    """

    def __init__(self, function: str, compute: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        if compute is None and function not in FUNCTIONS:
            names = ", ".join(FUNCTIONS)
            raise CheckpointError(
                f"no activation {function!r} is known for the MLP's gate; there are {names}"
            )
        self.function = function
        self._is_named = compute is None
        self.compute = compute or FUNCTIONS[function]
        self.threshold = 0.0
        self.block_threshold = 0.0
        self.skipped = False
        self.reader: Reader | None = None

    @property
    def counts_saturation(self) -> bool:
        """Whether its zeros are where the float saturates: nothing is zeroed by a threshold, and
        the function has no zeros of its own.
        """
        whole = max(self.threshold, self.block_threshold) == 0
        return whole and not self.skipped and self.function not in EXACT_ZEROS

    def forward(self, x: Tensor) -> Tensor:
        """The gate in the input's dtype, computed in float32; entries at or below the threshold are
        zero.
        """
        threshold = max(self.threshold, self.block_threshold)
        if self.reader is None or isinstance(self.reader, TokenReader):
            return gate_pass(x, self.compute, threshold, self.reader)
        gate = thresholded_entries(self.compute(x.float()), threshold)
        self.reader(x, gate)
        return gate.to(x.dtype)

    def native(self, x: Tensor) -> Tensor:
        """The activation as the model would compute it in `x`'s dtype, for the paper-compatible
        count.

        transformers spells `gelu_new` out operation by operation, each rounded to the dtype, so
        that in bfloat16 it is exactly zero from about -3 down; torch's fused kernel computes it in
        float32 inside.
        """
        if self.function == "gelu_new":
            root = math.sqrt(2.0 / math.pi)
            return 0.5 * x * (1.0 + torch.tanh(root * (x + 0.044715 * torch.pow(x, 3.0))))
        return self.compute(x)

    def native_shares(self, x: Tensor) -> Tensor:
        """Each token's share of entries that are not zero in `native(x)`, in [0, 1], (batch,
        tokens), float32.

        A dtype of 16 bits has 65,536 numbers only: on the CPU a table says which of them give zero.

        Args:
            x: the pre-activation, (batch, tokens, d_ff).
        """
        if x.device.type != "cpu" or x.element_size() != 2 or not self._is_named:
            return (self.native(x) != 0).float().mean(-1)
        bits = x.contiguous().view(torch.int16).to(torch.int32) & 0xFFFF
        nonzero = _nonzero_by_bits(self.function, x.dtype).index_select(0, bits.flatten())
        return nonzero.view(x.shape).sum(-1, dtype=torch.int32).float() / x.shape[-1]

    def extra_repr(self) -> str:
        """What a printed model shows of the gate."""
        return f"{self.function}, threshold={self.threshold:g}"


@cache
def _nonzero_by_bits(function: str, dtype: torch.dtype) -> Tensor:
    """Whether a function, computed in a dtype of 16 bits, differs from zero: (65536,), uint8, by
    the bits of its input as an unsigned number.
    """
    numbers = torch.arange(1 << 16, dtype=torch.int32, device="cpu").to(torch.int16).view(dtype)
    return (Gate(function).native(numbers) != 0).view(torch.uint8)


@dataclass(frozen=True, slots=True)
class GateAt:
    """A gate and where it sits."""

    gate: Gate
    stack: Literal["encoder", "decoder"]
    index: int


Gates = tuple[GateAt, ...]


def install_gates_(model: nn.Module, layout: Layout, activation: Activation) -> Gates:
    """Put a Gate with the named function in place of every MLP block's activation.

    Raises:
        CheckpointError: the checkpoint's activation is not known.
    """
    make_gate = verb(ACTIVATIONS[activation])
    for block in layout.blocks:
        model.set_submodule(block.activation, make_gate(layout))
    return find_gates(model, layout)


def find_gates(model: nn.Module, layout: Layout) -> Gates:
    """The gates of a model that `install_gates_` has changed, in running order.

    Raises:
        TypeError: a block has no Gate.
    """
    gates = []
    for block in layout.blocks:
        gate = model.get_submodule(block.activation)
        if not isinstance(gate, Gate):
            what = f"{block.activation} is {type(gate).__name__}, not a Gate"
            raise TypeError(f"{what}; install_gates_ comes first")
        gates.append(GateAt(gate, block.stack, block.index))
    return tuple(gates)


@contextmanager
def read_by(gates: Gates, readers: Iterable[Reader]) -> Iterator[None]:
    """Have each gate read inside the context; one reader for each gate, in their order."""
    for at, reader in zip(gates, readers, strict=True):
        at.gate.reader = reader
    try:
        yield
    finally:
        for at in gates:
            at.gate.reader = None


@contextmanager
def thresholded(gates: Gates, threshold: float) -> Iterator[None]:
    """Drop entries with |O| <= threshold inside the context."""
    before = [at.gate.threshold for at in gates]
    for at in gates:
        at.gate.threshold = threshold
    try:
        yield
    finally:
        for at, value in zip(gates, before, strict=True):
            at.gate.threshold = value


@contextmanager
def thresholded_by_block(gates: Gates, thresholds: Sequence[float]) -> Iterator[None]:
    """Drop entries with |O| at or below their block's own threshold inside the context; one for
    each gate, in their order.
    """
    before = [at.gate.block_threshold for at in gates]
    for at, value in zip(gates, thresholds, strict=True):
        at.gate.block_threshold = value
    try:
        yield
    finally:
        for at, value in zip(gates, before, strict=True):
            at.gate.block_threshold = value
