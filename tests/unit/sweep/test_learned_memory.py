from dataclasses import replace

import pytest

from deft_sweeps.projection.memory_fit import largest_trial
from deft_sweeps.result import TrialResult
from deft_sweeps.sweep.learned_memory import LearnedMemory
from tests.fakes import fake_result, fake_spec, plain

SPEC = fake_spec()
CONFIG = SPEC.config(plain(1e-3))


def test_without_results_the_projection_stands() -> None:
    learned = LearnedMemory(SPEC, [])
    largest = largest_trial(SPEC, on_gpu=False)
    assert largest is not None
    assert learned.largest_bytes() == largest.n_bytes == learned.bytes_of(largest.config)
    assert learned.ratio(CONFIG) == 0.0


def test_a_result_counts_as_soon_as_it_is_there() -> None:
    results = list[TrialResult]()
    learned = LearnedMemory(SPEC, results)
    before = learned.largest_bytes()
    assert before is not None
    result = fake_result(CONFIG, 0)
    assert result.cost is not None
    results.append(replace(result, cost=replace(result.cost, peak_memory_bytes=2 * before)))
    assert learned.bytes_of(CONFIG) == pytest.approx(
        learned.ratio(CONFIG) * (LearnedMemory(SPEC, []).bytes_of(CONFIG) or 0)
    )
    largest = learned.largest_bytes()
    assert largest is not None
    assert largest > 2 * before


def test_a_model_whose_shape_cannot_be_read_is_not_projected() -> None:
    gone = replace(
        SPEC,
        combinations=tuple(
            replace(c, template=replace(c.template, model="./none")) for c in SPEC.combinations
        ),
    )
    learned = LearnedMemory(gone, [fake_result(CONFIG, 0)])
    assert (learned.bytes_of(CONFIG), learned.largest_bytes()) == (None, None)
