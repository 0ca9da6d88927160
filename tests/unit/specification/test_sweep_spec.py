from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import (
    Categorical,
    Const,
    Domain,
    Float,
    Int,
    Value,
    middle,
)
from deft_sweeps.specification.spec_reader import parse_spec

SPEC = parse_spec(
    """
name: every-axis
space:
  activation: [pretrained, relu]
  peft:
    - lora:
        r: {low: 2, high: 64, log: true}
        dropout: {low: 0, high: 0.5}
        targets: {choice: [[q, v], [q, v, gate]]}
    - lora: {alpha: {low: 1, high: 9}}
    - adapter: {reduction: {choice: [8, 16]}}
  density:
    - none
    - loss: {weight: {low: 0.01, high: 10, log: true}, padding: {choice: [mask, include]}}
    - loss: {surrogate: tanh, beta: {low: 1, high: 50}}
  quantization: [none, nf4: {double: {choice: [false, true]}}]
  pruning: [none, magnitude: {sparsity: {low: 0.1, high: 0.9}}, wanda]
  training: {learning_rate: {low: 1e-5, high: 1e-2, log: true}}
budget: {trials: 1}
""",
    "every.yaml",
)


def values_of(domain: Domain) -> st.SearchStrategy[Value]:
    match domain:
        case Float(low, high):
            return st.floats(low, high)
        case Int(low, high):
            return st.integers(low, high)
        case Categorical(values):
            return st.sampled_from(values)
        case Const(value):
            return st.just(value)


@st.composite
def starts(draw: st.DrawFn) -> Start:
    combination = draw(st.sampled_from(SPEC.combinations))
    return Start(
        combination.label,
        {name: draw(values_of(domain)) for name, domain in combination.open.items()},
    )


@settings(max_examples=200, deadline=None)
@given(starts())
def test_locate_is_the_inverse_of_config(start: Start) -> None:
    config = SPEC.config(start)
    point = SPEC.locate(config)
    assert point is not None
    assert SPEC.config(point) == config
    assert SPEC.config(point).config_id == config.config_id


def test_locate_finds_what_overlaps_nothing_exactly() -> None:
    for combination in SPEC.combinations:
        if "lora-2" not in combination.label:
            values = {name: middle(domain) for name, domain in combination.open.items()}
            assert SPEC.locate(combination.template) == Start(combination.label, values)


def test_locate_knows_what_is_not_of_the_space() -> None:
    assert SPEC.locate(TrialConfig(model="another")) is None
    outside = SPEC.combinations[0].open["training.learning_rate"]
    assert isinstance(outside, Float)
    values = {name: middle(domain) for name, domain in SPEC.combinations[0].open.items()}
    config = SPEC.combinations[0].config(values | {"training.learning_rate": outside.high})
    assert SPEC.locate(config) is not None
    assert (
        SPEC.locate(
            replace(config, training=replace(config.training, learning_rate=outside.high * 1.01))
        )
        is None
    )


def test_labels_and_domains_are_unambiguous() -> None:
    labels = [combination.label for combination in SPEC.combinations]
    assert len(set(labels)) == len(labels) == 2 * 3 * 3 * 2 * 3
    domains: dict[str, Domain] = {}
    for combination in SPEC.combinations:
        for name, domain in combination.open.items():
            assert domains.setdefault(name, domain) == domain
            assert not isinstance(domain, Const)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "expected values for"),
        ({"training.learning_rate": 1e-3, "peft.lora.r": 2}, "expected values for"),
        ({"training.learning_rate": 1.0}, "expected 1e-05 to 0.01, log, got 1.0"),
        ({"training.learning_rate": True}, "got True"),
        ({"training.learning_rate": float("nan")}, "got nan"),
        ({"training.learning_rate": "high"}, "got 'high'"),
    ],
)
def test_values_that_are_not_of_the_domain(values: dict[str, Value], words: str) -> None:
    combination = next(
        c
        for c in SPEC.combinations
        if list(c.open) == ["peft.adapter.reduction", "training.learning_rate"]
    )
    given_values = values | {"peft.adapter.reduction": 8} if "peft.lora.r" not in values else values
    with pytest.raises(
        ValueError, match="^" + combination.label if "for" in words else "."
    ) as caught:
        combination.config(given_values)
    assert words in str(caught.value)
