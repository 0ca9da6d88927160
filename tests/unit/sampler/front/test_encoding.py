"""Distances between encoded configurations."""

import pytest

from deft_sweeps.sampler.front.encoding import SpaceEncoding
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import all_points, n_points

TEXT = """
name: small
space:
  activation: [pretrained, relu]
  peft:
    - lora: {r: {choice: [4, 8, 16]}, targets: {choice: [[q, v], [q, v, gate]]}}
    - adapter: {reduction: {low: 8, high: 11}}
  density:
    - none
    - loss: {weight: {choice: [0.5, 2]}, surrogate: {choice: [l0, tanh]}}
  training: {steps: 10, learning_rate: 1e-3}
budget: {trials: 5}
"""


@pytest.fixture
def spec() -> SweepSpec:
    return parse_spec(TEXT, "small.yaml")


def squared(encoding: SpaceEncoding, a: Start, b: Start) -> float:
    first, second = encoding.encode([a, b])
    return float(((first - second) ** 2).sum())


def test_a_finite_space_lists_every_configuration_once(spec: SweepSpec) -> None:
    every = [spec.config(start).config_id for start in all_points(spec)]
    assert len(every) == len(set(every)) == n_points(spec) == 2 * (3 * 2 + 4) * (1 + 2 * 2)


def test_members_are_at_distance_one_and_closed_settings_at_zero(spec: SweepSpec) -> None:
    encoding = SpaceEncoding.of(spec)
    plain = next(
        start for start in all_points(spec) if not any("density" in name for name in start.values)
    )
    other = next(
        start
        for start in all_points(spec)
        if start.values == plain.values and start.combination != plain.combination
    )
    assert squared(encoding, plain, plain) == 0
    assert squared(encoding, plain, other) == pytest.approx(1.0)  # The activation alone.


def test_numeric_choices_are_ordered_and_others_are_not(spec: SweepSpec) -> None:
    encoding = SpaceEncoding.of(spec)
    label = next(
        c.label
        for c in spec.combinations
        if "peft.lora.r" in c.open and "density.loss.weight" not in c.open
    )
    targets = spec.by_label[label].open["peft.lora.targets"]
    few, many = (("q", "v"), ("q", "v", "gate"))

    def at(r: int, over: tuple[str, ...]) -> Start:
        return Start(label, {"peft.lora.r": r, "peft.lora.targets": over})

    assert spec.config(at(4, few)).peft != spec.config(at(4, many)).peft, targets
    assert squared(encoding, at(4, few), at(8, few)) == pytest.approx(0.25)
    assert squared(encoding, at(4, few), at(16, few)) == pytest.approx(1.0)
    assert squared(encoding, at(4, few), at(4, many)) == pytest.approx(1.0)
