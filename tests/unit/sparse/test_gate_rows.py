"""The kernel's gate against the module's."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import FUNCTIONS, Gate
from deft_sweeps.sparse import gate_rows
from deft_sweeps.sparse.gate_rows import activated


@pytest.mark.parametrize("threshold", [0.0, 0.1])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_kernel_computes_what_the_module_does(function: str, threshold: float) -> None:
    gate = Gate(function)
    gate.threshold, gate.block_threshold = threshold / 2, threshold
    values = torch.cat([torch.randn(500) * 4, torch.tensor([float("nan"), 0.0])])
    wanted = gate(values)
    result, active = activated(copy.deepcopy(gate), values.clone(), torch.ones(3))
    torch.testing.assert_close(result, wanted, rtol=1e-5, atol=1e-6, equal_nan=True)
    assert bool(result[500].isnan())
    if active is None:
        assert (wanted != 0).float().mean() > gate_rows.SPARSE_BELOW
    else:
        assert active.tolist() == (result != 0).nonzero().flatten().tolist()


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_all_rows_count_if_the_input_is_not_finite(value: float) -> None:
    x = torch.tensor([1.0, value])
    for compute in (None, torch.relu):
        assert activated(Gate("relu", compute), torch.randn(9) - 1, x)[1] is None


def test_a_function_of_its_own_and_a_reader_are_the_module_s() -> None:
    seen: list[Tensor] = []
    double: Callable[[Tensor], Tensor] = lambda x: 2 * x  # noqa: E731
    gate = Gate("relu", double)
    result, active = activated(gate, torch.tensor([-1.0, 0.0, 3.0]), torch.ones(1))
    assert result.tolist() == [-2.0, 0.0, 6.0]
    assert active is not None
    assert active.tolist() == [0, 2]
    read = Gate("relu")
    read.reader = lambda _, out: seen.append(out)
    activated(read, torch.tensor([-1.0, 4.0]), torch.ones(1))
    assert seen[0].tolist() == [[[0.0, 4.0]]]
