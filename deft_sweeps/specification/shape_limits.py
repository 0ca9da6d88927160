"""What a model's shape forbids of a sweep: of combinations, of the ends of open ranges, and of
first points. Loads no torch.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from deft_sweeps.config.compat import shape_problems
from deft_sweeps.config.layout import Layout
from deft_sweeps.specification.combination import Combination, Start, middles
from deft_sweeps.specification.domain import Const, Domain, Int, Value, ends, middle, show
from deft_sweeps.specification.sweep_spec import SweepSpec


@dataclass(frozen=True, slots=True)
class ShapeProblem:
    """What a model's shape forbids of a combination.

    Attributes:
        parameter: the open one at fault; empty if the combination is forbidden with every value of
            every open parameter.
        how: its value and its domain, and what would fit; empty if no parameter is at fault.
    """

    what: str
    parameter: str = ""
    how: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.how})" if self.how else self.what


def combination_problems(combination: Combination, layout: Layout) -> list[ShapeProblem]:
    """What the model's shape forbids whatever is open, or with one parameter at an end of its
    range.

    The other parameters stand in the middle of theirs. A number in the middle of a range is
    reported only if it alone is forbidden: both ends of 16 to 64 divide a width that 40 does not.
    """
    always = set(shape_problems(combination.template, layout))
    nominal = middles(combination)
    problems: list[ShapeProblem] = []
    for name, domain in combination.open.items():
        problems_at = partial(_problems_at, combination, layout, nominal, name)
        by_value = {value: problems_at(value) for value in (*ends(domain), middle(domain))}
        # Forbidden whatever this parameter is.
        common = set.intersection(*by_value.values())
        always &= common
        wrong = [value for value in ends(domain) if by_value[value] - common]
        for value in wrong or [value for value in by_value if by_value[value] - common]:
            fits = _what_fits(domain, value, problems_at, common)
            how = f"{name} = {show(Const(value))}, open as {show(domain)}{fits}"
            problems += [ShapeProblem(what, name, how) for what in sorted(by_value[value] - common)]
    return [*(ShapeProblem(what) for what in sorted(always)), *problems]


def first_point_problems(
    spec: SweepSpec, layout: Layout, reported: Container[str]
) -> Iterator[tuple[str, Start]]:
    """What the shape forbids of the first points.

    Args:
        spec: the sweep.
        layout: of its model.
        reported: problems of the combinations, which are not repeated. Neither is a problem of a
            middle value, which nobody wrote.
    """
    for start in spec.first:
        of_middles = shape_problems(spec.by_label[start.combination].template, layout)
        for what in shape_problems(spec.config(start), layout):
            if what not in reported and what not in of_middles:
                yield what, start


def _problems_at(
    combination: Combination, layout: Layout, nominal: Mapping[str, Value], name: str, value: Value
) -> set[str]:
    return set(shape_problems(combination.config({**nominal, name: value}), layout))


def _what_fits(
    domain: Domain, value: Value, problems_at: Callable[[Value], set[str]], common: set[str]
) -> str:
    """The highest number of a range that fits, found by bisection; or that a choice is needed."""
    if not isinstance(domain, Int) or not isinstance(value, int):
        return ""
    low, high = domain.low, domain.high
    as_choice = "; give those that fit as a choice"
    if low < value < high:
        return as_choice
    if value == low or problems_at(low) - common:
        return ""
    while high - low > 1:
        half = (low + high) // 2
        low, high = (low, half) if problems_at(half) - common else (half, high)
    # Numbers that fit because they divide something stand alone: no other end would mend the range.
    return as_choice if low == domain.low or problems_at(low - 1) - common else f"; {low} fits"
