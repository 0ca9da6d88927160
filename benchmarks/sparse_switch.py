"""Several tokens at once: one dense product for all beside one sparse product for each.

    python -m benchmarks.sparse_switch --sizes small large

`passes` is the number of tokens times the density: how often active rows are read where a dense
product reads the matrix once. The constant DENSE_PASSES of `sparse/mlp_block.py` rests on this.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.sparse import DTYPES, ROTATED_BYTES, SIZES, Shape, clones, own_block, ratio, turns
from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.sparse import mlp_block
from deft_sweeps.sparse.mlp_block import SparseGatedMlp
from deft_sweeps.sparse.packed_rows import Storage, pack_rows


def one_by_one(block: SparseGatedMlp, x: Tensor, passes: float) -> Tensor:
    """The block with the switch between the two ways to compute several tokens forced."""
    mlp_block.DENSE_PASSES = passes
    result: Tensor = block(x)
    return result


@torch.inference_mode()
def several_tokens(shape: Shape, storage: Storage, n_threads: int, seconds: float) -> None:
    """Where one dense product for all tokens is as fast as one sparse product for each."""
    torch.manual_seed(0)
    weights = [torch.randn(shape.d_ff, shape.d) * shape.d**-0.5 for _ in range(3)]
    rows = tuple(pack_rows(one, storage) for one in weights)
    copies = clones(rows, max(3, int(ROTATED_BYTES / shape.block_bytes(storage))))
    print(f"\n{shape.name} {storage}, several tokens: time(dense) / time(one by one)")
    for n in (2, 4, 8, 16):
        x = torch.randn(1, n, shape.d).to(DTYPES[storage])
        gate = Gate("gelu_new")(x.float() @ weights[0].t())
        variants: dict[str, list[Callable[[], object]]] = {}
        for density in (0.05, 0.1, 0.25):
            threshold = float(gate.abs().flatten()[:200_000].quantile(1 - density))
            blocks = [own_block(one, threshold, n_threads) for one in copies]
            for name, passes in (("dense", 0.0), ("sparse", 1e9)):
                variants[f"{name} {density}"] = [
                    partial(one_by_one, block, x, passes) for block in blocks
                ]
        times = turns(variants, seconds / 8, n_threads)
        for density in (0.05, 0.1, 0.25):
            passes = n * density
            what = ratio(times, f"dense {density}", f"sparse {density}")
            print(f"  {n:2d} tokens, density {density:<4g} ({passes:.2f} passes): {what}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "large"])
    parser.add_argument("--storages", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=12, help="of turns, for each size")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for size in options.sizes:
        for storage in options.storages:
            several_tokens(Shape.of(size), storage, options.threads, options.seconds)


if __name__ == "__main__":
    main()
