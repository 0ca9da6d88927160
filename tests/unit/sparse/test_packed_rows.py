"""The kernel against the same sums in float64, at every level that this processor has."""

import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from deft_sweeps.errors import ConfigError
from deft_sweeps.kernels.compiled_library import LEVEL_VARIABLE, Level, best_level
from deft_sweeps.sparse import packed_rows
from deft_sweeps.sparse.mlp_library import library
from deft_sweeps.sparse.packed_rows import (
    STORAGES,
    PackedRows,
    Storage,
    active_rows,
    pack_rows,
    row_products,
    sum_of_rows,
)

LEVELS = ("plain", "avx2", "avx512", "torch")
SIZES = ((1, 1), (3, 5), (17, 15), (64, 32), (9, 33), (130, 77), (512, 1024))
"""(d, d_ff)"""


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Has the kernel use those instructions, or torch in its place."""
    name = str(request.param)
    opened = library()
    if name == "torch":
        monkeypatch.setattr(packed_rows, "library", lambda: None)
    elif opened is None:
        pytest.skip("no compiler when this was installed")
    elif Level[name.upper()] > opened.deft_level():
        pytest.skip(f"this processor has no {name}")
    else:
        monkeypatch.setenv(LEVEL_VARIABLE, name)
    return name


@pytest.fixture(autouse=True)
def level_read_anew() -> Iterator[None]:
    best_level.cache_clear()
    yield
    best_level.cache_clear()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small matrices go to several threads."""
    monkeypatch.setattr(packed_rows, "MIN_PART_BYTES", 64)


def made(d: int, d_ff: int, storage: Storage) -> tuple[PackedRows, PackedRows, Tensor]:
    torch.manual_seed(d * d_ff)
    up, down = torch.randn(d_ff, d), torch.randn(d, d_ff)
    return pack_rows(up, storage), pack_rows(down.t(), storage), torch.randn(d)


def wanted_sum(up: PackedRows | None, down: PackedRows, gate: Tensor, x: Tensor) -> Tensor:
    """In float64, over all rows."""
    factors = gate.double()
    if up is not None:
        factors = factors * (up.dense(torch.float64) @ x.double())
    return factors @ down.dense(torch.float64)


def off(result: Tensor, wanted: Tensor) -> float:
    """The largest difference over the largest value."""
    return float((result - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))


def gates(d_ff: int) -> list[Tensor]:
    """Half, all, none and one of the entries active."""
    half = torch.relu(torch.randn(d_ff))
    one = torch.zeros(d_ff)
    one[-1] = 1.5
    return [half, torch.rand(d_ff) + 0.1, torch.zeros(d_ff), one]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("d", "d_ff"), SIZES)
def test_sums_and_products_are_those_of_float64(
    level: str, d: int, d_ff: int, storage: Storage
) -> None:
    up, down, x = made(d, d_ff, storage)
    assert off(row_products(up, x, 2), up.dense(torch.float64) @ x.double()) < 1e-5
    for gate in gates(d_ff):
        active = active_rows(gate)
        assert active.tolist() == [i for i, value in enumerate(gate.tolist()) if value != 0]
        for one, token in ((up, x), (None, None)):
            wanted = wanted_sum(one, down, gate, x)
            for n_threads in (1, 2, 3, 4):
                for rows in (active, None):
                    result = sum_of_rows(one, down, gate, token, rows, n_threads)
                    assert off(result, wanted) < 1e-5


@pytest.mark.parametrize("storage", STORAGES)
def test_rows_may_lie_anywhere(level: str, storage: Storage) -> None:
    """Rows with a gap between them, from an address that is no multiple of a vector."""
    up, down, x = made(37, 21, storage)
    scattered = []
    for rows in (up, down):
        wide = torch.zeros(21, 41, dtype=rows.entries.dtype)
        wide[:, 3:40] = rows.entries
        scattered.append(PackedRows(wide[:, 3:40], rows.scale))
    x_off = torch.cat([torch.zeros(1), x])[1:]
    gate = torch.relu(torch.randn(21))
    result = sum_of_rows(scattered[0], scattered[1], gate, x_off, active_rows(gate), 2)
    assert off(result, wanted_sum(up, down, gate, x)) < 1e-5


def test_int8_rows_are_near_the_weights() -> None:
    """At most half a step off, a step being a 127th of the row's largest entry; zeros stay."""
    weight = torch.randn(8, 100)
    weight[3] = 0
    packed = pack_rows(weight, "int8")
    steps = weight.abs().amax(1, keepdim=True) / 127
    assert ((packed.dense(torch.float32) - weight).abs() <= steps * 0.5001).all()
    assert packed.n_bytes == 8 * 100 + 8 * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("n", [3, 2_200_000])
def test_a_copy_in_large_pages_is_a_copy(n: int, dtype: torch.dtype) -> None:
    values = torch.arange(2 * n).remainder(100).to(dtype).view(n, 2).t()
    copy = packed_rows.in_large_pages(values)
    assert copy.is_contiguous()
    assert torch.equal(copy, values)
    if copy.nbytes >= 2 * packed_rows.LARGE_PAGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        assert copy.data_ptr() % packed_rows.LARGE_PAGE_BYTES == 0


def test_nan_and_infinity_come_through(level: str) -> None:
    up, down, x = made(33, 20, "fp32")
    gate = torch.zeros(20)
    gate[4], gate[7] = float("nan"), 1.0
    assert active_rows(gate).tolist() == [4, 7]
    assert sum_of_rows(up, down, gate, x, active_rows(gate)).isnan().all()
    gate[4] = float("inf")
    result = sum_of_rows(up, down, gate, x, active_rows(gate))
    assert torch.equal(result.isinf(), wanted_sum(up, down, gate, x).isinf())
    x[32] = float("inf")
    assert torch.equal(row_products(up, x), up.entries @ x)


def test_several_threads_may_call_at_once(level: str) -> None:
    cases = []
    for d_ff in range(40, 48):
        up, down, x = made(65, d_ff, "bf16")
        gate = torch.relu(torch.randn(d_ff))
        cases.append((up, down, gate, x, active_rows(gate)))

    def largest_difference(number: int) -> float:
        up, down, gate, x, active = cases[number % len(cases)]
        return off(sum_of_rows(up, down, gate, x, active, 3), wanted_sum(up, down, gate, x))

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(largest_difference, range(200))) < 1e-5


def test_unknown_instructions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if library() is None:
        pytest.skip("no compiler when this was installed")
    up, _, x = made(4, 4, "fp32")
    monkeypatch.setenv(LEVEL_VARIABLE, "sse9")
    with pytest.raises(ConfigError, match="plain, avx2, avx512"):
        row_products(up, x)
