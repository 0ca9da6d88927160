"""What a trial requests of a machine, and what it requests once that was not enough."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.projection.trial_request import (
    USABLE_GPU,
    gpu_share,
    larger_needs,
    raised_needs,
    trial_slots_on,
)

GIB = 2**30
NEEDS = {"CPU": 2.0, "memory": 2.0 * GIB}
SMALL, LARGE = {"CPU": 4.0, "memory": 3.0 * GIB}, {"CPU": 8.0, "memory": 16.0 * GIB}


def test_a_larger_share_is_twice_the_memory_as_far_as_a_machine_has_it() -> None:
    assert larger_needs(NEEDS, [SMALL, LARGE]) == {"CPU": 2.0, "memory": 4.0 * GIB}
    assert larger_needs(NEEDS, [SMALL]) == {"CPU": 2.0, "memory": 3.0 * GIB}
    assert larger_needs(NEEDS, [{"CPU": 4.0, "memory": 2.1 * GIB}]) is None
    assert larger_needs(NEEDS, [{"CPU": 1.0, "memory": 16.0 * GIB}]) is None, "too few cores"
    assert larger_needs(NEEDS, []) is None


def test_a_larger_share_of_a_gpu_is_the_whole_one() -> None:
    machine = {"CPU": 8.0, "GPU": 2.0}
    assert larger_needs({"CPU": 1.0, "GPU": 0.25}, [machine]) == {"CPU": 1.0, "GPU": 1.0}
    assert larger_needs({"CPU": 1.0, "GPU": 1.0}, [machine]) is None


def test_without_memory_in_the_request_a_larger_share_is_the_machine() -> None:
    assert larger_needs({"CPU": 2.0}, [SMALL]) == {"CPU": 4.0}
    assert larger_needs({"CPU": 4.0}, [SMALL]) is None


def test_memory_rises_in_eighths_and_no_further_than_a_machine_has() -> None:
    def memory(n_gib: float) -> float:
        return raised_needs(NEEDS, int(n_gib * GIB), [SMALL])["memory"] / GIB

    assert [memory(n) for n in (1.0, 2.0, 2.1, 2.26, 9.0)] == [2.0, 2.0, 2.25, 2.5, 3.0]
    few_cores = {"CPU": 1.0, "memory": 16.0 * GIB}
    assert raised_needs(NEEDS, 9 * GIB, [SMALL, few_cores])["memory"] == 3 * GIB
    assert raised_needs(NEEDS, 9 * GIB, []) == NEEDS, "no machine is sure to have so much"
    assert raised_needs({"CPU": 1.0}, 9 * GIB, [SMALL]) == {"CPU": 1.0}


def test_a_share_of_a_gpu_rises_with_what_is_needed() -> None:
    needs = {"CPU": 1.0, "GPU": 0.25}
    assert raised_needs(needs, 15 * GIB, [], [40 * GIB])["GPU"] == 0.5
    assert raised_needs(needs, 5 * GIB, [], [40 * GIB])["GPU"] == 0.25
    assert raised_needs(needs, 15 * GIB, []) == needs, "its size is not known"


@pytest.mark.parametrize(
    ("n_gib", "gpus", "expected"),
    [
        (20, [40], 1.0),
        (19, [40], 1 / 2),
        (13, [40], 1 / 2),
        (12, [40], 1 / 3),
        (9, [80, 40], 1 / 4),
        (19, [80, 16], 1 / 4),
        (79, [80, 16], None),
        (1, [], None),
    ],
)
def test_a_trial_gets_an_equal_part_of_the_smallest_gpu_that_holds_it(
    n_gib: int, gpus: list[int], expected: float | None
) -> None:
    assert gpu_share(n_gib * GIB, [size * GIB for size in gpus]) == expected


@given(st.integers(2**20, 2**30), st.floats(0.5, 250.0))
def test_the_parts_hold_the_trial_and_one_more_part_would_not(n_bytes: int, times: float) -> None:
    size = int(times * n_bytes)
    share, usable = gpu_share(n_bytes, [size]), int(USABLE_GPU * size)
    if share is None:
        assert usable < n_bytes
        return
    n = trial_slots_on({"GPU": 1.0}, {"GPU": share})
    assert math.isclose(n * share, 1.0)
    assert n * n_bytes <= usable < (n + 1) * n_bytes
