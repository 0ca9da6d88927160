"""A sweep's space as Optuna's parameters: one categorical over the legal combinations, and the open
settings of each combination.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, assert_never

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from deft_sweeps.specification.combination import Combination, Start
from deft_sweeps.specification.domain import (
    Categorical,
    Const,
    Domain,
    Float,
    Int,
    Value,
    listed,
    n_values,
)
from deft_sweeps.specification.sweep_spec import SweepSpec

COMBINATION = "combination"
Key = tuple[str, tuple[tuple[str, object], ...]]


def distributions(spec: SweepSpec) -> dict[str, BaseDistribution]:
    """Distribution of every parameter of the sweep, by name.

    A name has the same distribution in all combinations, as Optuna requires.
    """
    distributions: dict[str, BaseDistribution] = {
        COMBINATION: CategoricalDistribution([c.label for c in spec.combinations])
    }
    for combination in spec.combinations:
        distributions |= {name: _distribution(domain) for name, domain in combination.open.items()}
    return distributions


def n_points(spec: SweepSpec) -> float:
    """Number of configurations of the space; inf if a setting is continuous."""
    return sum(math.prod(n_values(domain) for domain in c.open.values()) for c in spec.combinations)


def all_points(spec: SweepSpec) -> Iterator[Start]:
    """Every configuration of a finite space.

    Raises:
        ValueError: a setting is continuous.
    """
    for combination in spec.combinations:
        for values in itertools.product(*(listed(domain) for domain in combination.open.values())):
            yield Start(combination.label, dict(zip(combination.open, values, strict=True)))


def random_point(spec: SweepSpec, rng: np.random.Generator, *, central: bool = False) -> Start:
    """A random point: a combination with equal chances, then each open setting as `drawn`."""
    return point_of(spec.combinations[rng.integers(len(spec.combinations))], rng, central=central)


def point_of(combination: Combination, rng: np.random.Generator, *, central: bool = False) -> Start:
    """A random point of one combination."""
    return Start(
        combination.label,
        {name: drawn(domain, rng, central=central) for name, domain in combination.open.items()},
    )


def drawn(domain: Domain, rng: np.random.Generator, *, central: bool = False) -> Value:
    """A random value of the domain, uniform, or uniform in its logarithm.

    Args:
        domain: to draw from.
        rng: source of the draw.
        central: draws from the middle half of a range.
    """
    match domain:
        case Const(value):
            return value
        case Categorical(values):
            return values[rng.integers(len(values))]
        case Float() | Int():
            return value_at(domain, 0.25 + 0.5 * rng.random() if central else rng.random())
        case unknown:
            assert_never(unknown)


def value_at(domain: Float | Int, unit: float) -> Value:
    """The value at a place in [0, 1]; each whole number covers an interval of equal length."""
    unit = min(max(unit, 0.0), 1.0)
    half = 0.5 if isinstance(domain, Int) else 0.0
    low, high = domain.low - half, domain.high + half
    raw = low * (high / low) ** unit if domain.log else low + unit * (high - low)
    return (
        min(max(round(raw), domain.low), domain.high)
        if isinstance(domain, Int)
        else min(max(float(raw), domain.low), domain.high)
    )


def key_of(start: Start) -> Key:
    """A hashable key; equal points have equal keys."""
    return start.combination, tuple(sorted(start.values.items()))


def suggest(trial: Trial, spec: SweepSpec) -> Start:
    """Asks `trial` for a combination, then for the combination's open settings."""
    label = str(trial.suggest_categorical(COMBINATION, [c.label for c in spec.combinations]))
    return Start(
        label,
        {
            name: _decode(domain, suggest_from(trial, name, _distribution(domain)))
            for name, domain in spec.by_label[label].open.items()
        },
    )


def params(spec: SweepSpec, start: Start) -> dict[str, Any]:
    """The point as Optuna's parameters."""
    domains = spec.by_label[start.combination].open
    return {COMBINATION: start.combination} | {
        name: _encode(domains[name], value) for name, value in start.values.items()
    }


def start_of(spec: SweepSpec, params: Mapping[str, Any]) -> Start:
    """The point of Optuna's parameters."""
    label = str(params[COMBINATION])
    domains = spec.by_label[label].open
    return Start(label, {name: _decode(domain, params[name]) for name, domain in domains.items()})


def suggest_from(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Asks `trial` for a parameter of one of the distributions that `distributions` returns.

    Raises:
        TypeError: the distribution is of another class.
    """
    match distribution:
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise TypeError(f"expected a float, an int or a choice, got {distribution}")


def _distribution(domain: Domain) -> BaseDistribution:
    match domain:
        case Float(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Int(low, high, log):
            return IntDistribution(low, high, log=log)
        case Categorical(values):
            return CategoricalDistribution([_text(value) for value in values])
        case Const(value):
            return CategoricalDistribution([_text(value)])
        case unknown:
            assert_never(unknown)


def _text(value: Value) -> str:
    """A choice as JSON: Optuna's storage keeps no tuples, and would not tell 1 from True."""
    return json.dumps(value)


def _encode(domain: Domain, value: Value) -> Any:
    if not isinstance(domain, Categorical | Const):
        return value
    values = domain.values if isinstance(domain, Categorical) else (domain.value,)
    # A point may say 3 where the choice says 3.0: equal settings, but not equal texts.
    return _text(next((option for option in values if option == value), value))


def _decode(domain: Domain, encoded: Any) -> Value:
    if not isinstance(domain, Categorical | Const):
        value: Value = encoded
        return value
    values = domain.values if isinstance(domain, Categorical) else (domain.value,)
    return next(value for value in values if _text(value) == encoded)
