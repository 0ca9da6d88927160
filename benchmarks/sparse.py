"""MLP blocks and decoded tokens at batch 1: the runtime `sparse` beside dense ones.

    python -m benchmarks.sparse --sizes xl --threads 1

Each size is the block of a Flan-T5 with random weights. The gate's threshold is the quantile that
leaves the wanted density. The variants take turns call by call in one process, each on the next of
several copies of its weights, so that weights come from memory as in a model of many layers. Times
are medians, on one thread of its CPU seconds; the range after a ratio is that of the middle 80 % of
the turns. A token is projected: all decoder layers and the output projection, from parts that are
measured. Whole models: `benchmarks.sparse_models`; several tokens at once:
`benchmarks.sparse_switch`.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.kernels.compiled_library import best_level
from deft_sweeps.models.families import PUBLISHED_CONFIGS
from deft_sweeps.sparse.mlp_block import SparseGatedMlp
from deft_sweeps.sparse.mlp_library import library
from deft_sweeps.sparse.packed_rows import (
    PackedRows,
    Storage,
    in_large_pages,
    pack_rows,
    row_products,
    sum_of_rows,
)

DENSITIES = (1.0, 0.5, 0.25, 0.1, 0.05)
SIZES = ("small", "base", "large", "xl", "xxl")
ROTATED_BYTES = 1.2e9
"""Bytes of all copies of a block, well above what a processor's share of the cache holds."""
CACHED_TOKENS = 64
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Shape:
    """Of a published Flan-T5."""

    name: str
    d: int
    d_ff: int
    d_attention: int
    n_heads: int
    n_layers: int
    vocab_size: int

    @classmethod
    def of(cls, name: str) -> "Shape":
        config = PUBLISHED_CONFIGS[f"google/flan-t5-{name}"]
        heads = config["num_heads"]
        attention = heads * config["d_kv"]
        n_layers, vocab = config["num_decoder_layers"], config["vocab_size"]
        return cls(name, config["d_model"], config["d_ff"], attention, heads, n_layers, vocab)

    def block_bytes(self, storage: str) -> int:
        return 3 * self.d * self.d_ff * {"fp32": 4, "bf16": 2, "int8": 1}[storage]


def read_bandwidth() -> float:
    """Bytes a second of a plain streaming read, the fastest of several sums and products."""
    data = in_large_pages(torch.ones(int(ROTATED_BYTES) // 16_000, 4_000))
    vector = torch.ones(4_000)
    reads = (data.sum, partial(torch.mv, data, vector))
    return data.nbytes / min(
        timed(read, torch.get_num_threads()) for read in reads for _ in range(5)
    )


def timed(call: Callable[[], object], n_threads: int | None = None) -> float:
    """Seconds of a call. On one thread its CPU seconds, which leave out what other processes take
    from it; on several or an unknown number, on the clock.
    """
    clock = time.thread_time if n_threads == 1 else time.perf_counter
    start = clock()
    call()
    return clock() - start


def turns(
    variants: Mapping[str, list[Callable[[], object]]], seconds: float, n_threads: int
) -> Times:
    """Seconds of each call; variants take turns, and no two use the same copy in a row."""
    for calls in variants.values():
        calls[0]()
    times: Times = {name: [] for name in variants}
    number = itertools.count()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(times))]) < 8:
        for name, calls in variants.items():
            times[name].append(timed(calls[next(number) % len(calls)], n_threads))
    return times


def ratio(times: Times, slow: str, fast: str) -> str:
    """time(slow) / time(fast) with the middle 80 % of the single turns."""
    pairs = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
    low, *_, high = statistics.quantiles(pairs, n=10)
    middle = statistics.median(times[slow]) / statistics.median(times[fast])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def own_block(rows: tuple[PackedRows, ...], threshold: float, n_threads: int) -> SparseGatedMlp:
    gate = Gate("gelu_new")
    gate.threshold = threshold
    return SparseGatedMlp(rows[0], rows[1], rows[2], gate, n_threads)


def torch_block(weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
    hidden = functional.gelu(functional.linear(x, weights[0]), approximate="tanh")
    return functional.linear(hidden * functional.linear(x, weights[1]), weights[2])


def clones(rows: tuple[PackedRows, ...], n: int) -> list[tuple[PackedRows, ...]]:
    return [
        tuple(PackedRows(in_large_pages(one.entries), one.scale) for one in rows) for _ in range(n)
    ]


def own_variants(
    shape: Shape, weights: list[Tensor], storage: Storage, n_threads: int, x: Tensor
) -> dict[str, list[Callable[[], object]]]:
    """By density, and every row by way of a list of them (`listed`)."""
    n = max(3, int(ROTATED_BYTES / shape.block_bytes(storage)))
    gate_w, up, down = weights
    packed = tuple(pack_rows(one, storage) for one in (gate_w, up, down.t()))
    copies = clones(packed, n)
    token = x.flatten()
    gate = Gate("gelu_new")(row_products(packed[0], token))
    everything = torch.arange(shape.d_ff, dtype=torch.int32)
    variants: dict[str, list[Callable[[], object]]] = {}
    for density in DENSITIES:
        threshold = 0.0 if density == 1 else float(gate.abs().quantile(1 - density))
        blocks = [own_block(rows, threshold, n_threads) for rows in copies]
        variants[f"{storage} {density:g}"] = [partial(block, x) for block in blocks]

    def listed(rows: tuple[PackedRows, ...]) -> Tensor:
        active = Gate("gelu_new")(row_products(rows[0], token, n_threads))
        return sum_of_rows(rows[1], rows[2], active, token, everything, n_threads)

    variants[f"{storage} listed"] = [partial(listed, rows) for rows in copies]
    return variants


def torch_variants(
    shape: Shape, weights: list[Tensor], dtype: str, x: Tensor
) -> dict[str, list[Callable[[], object]]]:
    n = max(3, int(ROTATED_BYTES / shape.block_bytes(dtype)))
    copies = [tuple(one.to(DTYPES[dtype], copy=True) for one in weights) for _ in range(n)]
    own_x = x.to(DTYPES[dtype])
    return {f"torch {dtype}": [partial(torch_block, rows, own_x) for rows in copies]}


def attention_step(shape: Shape, rows: list[PackedRows], x: Tensor, n_threads: int) -> None:
    """A decoder layer's self- and cross-attention for one token, keys and values cached."""
    cache = torch.zeros(1, shape.n_heads, CACHED_TOKENS, shape.d_attention // shape.n_heads)
    query_rows, key_rows, value_rows, out_rows, cross_query, cross_out = rows
    row_products(key_rows, x, n_threads)
    row_products(value_rows, x, n_threads)
    for into, out in ((query_rows, out_rows), (cross_query, cross_out)):
        query = row_products(into, x, n_threads).view(1, shape.n_heads, 1, -1)
        mixed = functional.scaled_dot_product_attention(query, cache, cache)
        row_products(out, mixed.flatten(), n_threads)


def token_parts(
    shape: Shape, storage: Storage, n_threads: int, seconds: float
) -> tuple[float, float]:
    """Seconds of a layer's attentions and of the output projection."""
    x = torch.randn(shape.d)
    projection = pack_rows(torch.randn(shape.d_attention, shape.d) * 0.02, storage)
    back = pack_rows(torch.randn(shape.d, shape.d_attention) * 0.02, storage)
    layer = (projection, projection, projection, back, projection, back)
    n = max(3, int(ROTATED_BYTES / sum(one.n_bytes for one in layer)))
    attentions = [list(one) for one in clones(layer, n)]
    head = pack_rows(torch.randn(shape.vocab_size, shape.d) * 0.02, storage)
    heads = clones((head,), max(3, int(ROTATED_BYTES / head.n_bytes)))
    times = turns(
        {
            "attention": [
                partial(attention_step, shape, rows, x, n_threads) for rows in attentions
            ],
            "head": [partial(row_products, rows[0], x, n_threads) for rows in heads],
        },
        seconds,
        n_threads,
    )
    return statistics.median(times["attention"]), statistics.median(times["head"])


def show(shape: Shape, storages: list[Storage], times: Times, roof: float) -> None:
    print(f"\n{shape.name}: d {shape.d}, d_ff {shape.d_ff}; {len(times[storages[0] + ' 1'])} turns")
    torch_names = [name for name in times if name.startswith("torch")]
    for name in torch_names:
        print(f"  {name}: {statistics.median(times[name]) * 1e3:.3f} ms a block")
    for storage in storages:
        dense = f"{storage} 1"
        seconds = statistics.median(times[dense])
        share = shape.block_bytes(storage) / seconds / roof
        print(f"  own dense {storage}: {seconds * 1e3:.3f} ms a block, {share:.0%} of the roof")
        for name in torch_names:
            print(f"    against {name}: {ratio(times, name, dense)}")
        print(f"    every row listed: {ratio(times, dense, f'{storage} listed')} of it")
        for density in DENSITIES[1:]:
            name = f"{storage} {density:g}"
            limit = 3 / (1 + 2 * density)
            reached = seconds / statistics.median(times[name]) / limit
            moved = shape.block_bytes(storage) * (1 + 2 * density) / 3
            share = moved / statistics.median(times[name]) / roof
            print(
                f"    density {density:<4g} {ratio(times, dense, name)}, limit {limit:.2f},"
                f" {reached:.0%} of it; {share:.0%} of the roof"
            )


def show_token(shape: Shape, storage: Storage, times: Times, attention: float, head: float) -> None:
    def token(mlp: str) -> float:
        return shape.n_layers * (attention + statistics.median(times[mlp])) + head

    dense = token(f"{storage} 1")
    gains = ", ".join(
        f"{dense / token(f'{storage} {density:g}'):.2f} at {density:g}" for density in DENSITIES[1:]
    )
    share = shape.n_layers * statistics.median(times[f"{storage} 1"]) / dense
    print(
        f"  token {storage}, projected: dense {dense * 1e3:.1f} ms, MLP {share:.0%} of it; {gains}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--storages", nargs="+", choices=("fp32", "bf16", "int8"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=12, help="of turns, for each size")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    opened = library()
    if opened is None:
        raise SystemExit(
            "no compiler when deft-sweeps was installed: there is no kernel to measure"
        )
    roof = read_bandwidth()
    level = best_level(opened).name.lower()
    print(f"{level}, {options.threads} threads, streaming read {roof / 1e9:.1f} GB/s (the roof)")
    for size in options.sizes:
        measure(Shape.of(size), options.storages, options.threads, options.seconds, roof)


@torch.inference_mode()
def measure(
    shape: Shape, wanted: list[Storage] | None, n_threads: int, seconds: float, roof: float
) -> None:
    # A decoder of XXL in float32 does not fit the memory of most machines.
    fitting: list[Storage] = ["bf16", "int8"] if shape.name == "xxl" else ["fp32", "bf16", "int8"]
    storages = wanted or fitting
    torch.manual_seed(0)
    sizes = ((shape.d_ff, shape.d), (shape.d_ff, shape.d), (shape.d, shape.d_ff))
    weights = [torch.randn(size) * size[1] ** -0.5 for size in sizes]
    x = torch.randn(1, 1, shape.d)
    variants: dict[str, list[Callable[[], object]]] = {}
    for storage in storages:
        variants |= own_variants(shape, weights, storage, n_threads, x)
    for dtype in DTYPES:
        if dtype == "bf16" or "fp32" in storages:
            variants |= torch_variants(shape, weights, dtype, x)
    times = turns(variants, seconds, n_threads)
    show(shape, storages, times, roof)
    del variants
    for storage in storages:
        attention, head = token_parts(shape, storage, n_threads, seconds / 10)
        show_token(shape, storage, times, attention, head)


if __name__ == "__main__":
    main()
