"""Few combinations that still hold every pair of members."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

Combination = Mapping[str, Any]


def all_combinations(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(axes, choice, strict=True)) for choice in product(*axes.values())]


def pairs(combination: Combination) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Every two of its members, each with its axis."""
    return set(combinations(combination.items(), 2))


def covering(legal: Sequence[Combination]) -> list[Combination]:
    """Some of `legal` in which each pair that occurs in `legal` occurs, by always taking the one
    that adds most.
    """
    missing = set().union(*map(pairs, legal))
    uncovered = [(combination, pairs(combination)) for combination in legal]
    chosen = []
    while missing:
        combination, held = max(uncovered, key=lambda entry: len(entry[1] & missing))
        chosen.append(combination)
        missing -= held
    return chosen
