"""Which configurations are candidates."""

from dataclasses import replace

import numpy as np
import pytest

from deft_sweeps.sampler.front.candidate import N_CANDIDATES, CandidatePool, neighbour
from deft_sweeps.sampler.front.encoding import SpaceEncoding
from deft_sweeps.sampler.front.observation import ObservedTraining
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import all_points, key_of, random_point

TEXT = """
name: small
space:
  activation: [pretrained, relu]
  peft:
    - lora: {r: {choice: [4, 8, 16]}, targets: {choice: [[q, v], [q, v, gate]]}}
    - adapter: {reduction: {low: 8, high: 11}}
  training: {steps: 10, learning_rate: RATE}
budget: {trials: 5}
"""


@pytest.fixture
def finite() -> SweepSpec:
    return parse_spec(TEXT.replace("RATE", "1e-3"), "small.yaml")


@pytest.fixture
def continuous() -> SweepSpec:
    rate = "{low: 1e-4, high: 1e-2, log: true}"
    return parse_spec(TEXT.replace("RATE", rate), "continuous.yaml")


def no_front() -> list[Start]:
    return []


def running_at(configuration: Start) -> ObservedTraining:
    return ObservedTraining(7, configuration, ())


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_in_the_space(continuous: SweepSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = random_point(continuous, rng)
    for _ in range(30):
        start = neighbour(continuous, start, rng)
        assert continuous.locate(continuous.config(start)) is not None


def test_ended_and_running_configurations_of_a_finite_space_are_no_candidates(
    finite: SweepSpec,
) -> None:
    every = list(all_points(finite))
    pool, rng = CandidatePool(finite), np.random.default_rng(0)
    pool.add_ended(every[0])
    candidates = pool.candidates([running_at(every[1])], no_front, rng)
    assert {key_of(c) for c in candidates} == {key_of(c) for c in every[2:]}


def test_a_finite_space_is_repeated_until_its_seeds_are_used_up(finite: SweepSpec) -> None:
    spec = replace(finite, search=replace(finite.search, repeats=2))
    every = list(all_points(spec))
    pool, rng = CandidatePool(spec), np.random.default_rng(0)
    for configuration in every:
        pool.add_ended(configuration)
        pool.count_seed(configuration)
    assert len(pool.candidates([], no_front, rng)) == len(every)
    pool.count_seed(every[0])
    repeatable = pool.candidates([running_at(every[1])], no_front, rng)
    assert {key_of(c) for c in repeatable} == {key_of(c) for c in every[2:]}
    for configuration in every[1:]:
        pool.count_seed(configuration)
    assert pool.candidates([], no_front, rng) == []


def test_candidates_of_a_continuous_space_include_neighbours_of_the_front(
    continuous: SweepSpec,
) -> None:
    rng = np.random.default_rng(0)
    pool, front = CandidatePool(continuous), [random_point(continuous, rng)]
    with_front = pool.candidates([], lambda: front, rng)
    without = pool.candidates([], no_front, rng)
    assert len(without) == N_CANDIDATES // 2 < len(with_front) <= N_CANDIDATES
    rate = front[0].values["training.learning_rate"]
    assert sum(c.values["training.learning_rate"] == rate for c in with_front) > 10
    assert not any(c.values["training.learning_rate"] == rate for c in without)


def test_ended_and_running_configurations_of_a_continuous_space_are_no_candidates(
    continuous: SweepSpec,
) -> None:
    pool = CandidatePool(continuous)
    drawn = pool.candidates([], no_front, np.random.default_rng(0))
    pool.add_ended(drawn[0])
    again = pool.candidates([running_at(drawn[1])], no_front, np.random.default_rng(0))
    assert again == drawn[2:]


def test_the_initial_design_differs_from_what_was_tried_in_every_axis(
    continuous: SweepSpec,
) -> None:
    rng, encoding = np.random.default_rng(0), SpaceEncoding.of(continuous)
    pool = CandidatePool(continuous)
    first = pool.farthest_point([], encoding, rng)
    pool.add_ended(first)
    second = pool.farthest_point([], encoding, rng)
    members = [continuous.config(start) for start in (first, second)]
    assert members[0].activation != members[1].activation
    assert members[0].peft.kind != members[1].peft.kind
