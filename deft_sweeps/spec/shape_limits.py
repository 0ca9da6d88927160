"""What a model's shape forbids of a sweep: of combinations, at the ends of what is open there, and of first points. Loads no torch."""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from deft_sweeps.config.layout import Layout
from deft_sweeps.models.legality import misfits
from deft_sweeps.spec.domain import Const, Domain, Int, Value, ends, middle, show
from deft_sweeps.spec.schema import Combination, Start, SweepSpec
from deft_sweeps.spec.space import middles


@dataclass(frozen=True, slots=True)
class Misfit:
    """What a model's shape forbids of a combination.

    Attributes:
        parameter: the open one at fault; empty where the combination stands like that with every value of every one.
        how: its value and its domain, and what would fit; empty where no parameter is at fault.
    """

    what: str
    parameter: str = ""
    how: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.how})" if self.how else self.what


def forbidden(combination: Combination, shape: Layout) -> list[Misfit]:
    """What the model's shape forbids, whatever is open or where one parameter stands at an end, the others in the middle of their ranges.

    A number in the middle of a range is the user's only where it alone misfits: both ends of 16 to 64 divide a width that 40 does not.
    """
    always = set(misfits(combination.template, shape))
    nominal = middles(combination)
    found: list[Misfit] = []
    for name, domain in combination.open.items():
        look = partial(_misfits_at, combination, shape, nominal, name)
        told = {value: look(value) for value in (*ends(domain), middle(domain))}
        here = set.intersection(*told.values())  # whatever this parameter is
        always &= here
        wrong = [value for value in ends(domain) if told[value] - here] or [value for value in told if told[value] - here]
        for value in wrong:
            how = f"{name} = {show(Const(value))}, open as {show(domain)}{_what_fits(domain, value, look, here)}"
            found += [Misfit(what, name, how) for what in sorted(told[value] - here)]
    return [*(Misfit(what) for what in sorted(always)), *found]


def first_misfits(spec: SweepSpec, shape: Layout, told: Container[str]) -> Iterator[tuple[str, Start]]:
    """What the shape forbids of the first points, but for what is `told` of their combinations and for the middles that nobody wrote."""
    for start in spec.first:
        unasked = misfits(spec.by_label[start.combination].template, shape)
        for what in misfits(spec.config(start), shape):
            if what not in told and what not in unasked:
                yield what, start


def _misfits_at(combination: Combination, shape: Layout, nominal: Mapping[str, Value], name: str, value: Value) -> set[str]:
    return set(misfits(combination.config({**nominal, name: value}), shape))


def _what_fits(domain: Domain, value: Any, look: Callable[[Value], set[str]], here: set[str]) -> str:
    """The highest number below the end of a range that fits, found by halves; or that such a range cannot be."""
    if not isinstance(domain, Int):
        return ""
    low, high = domain.low, domain.high
    as_choice = "; give those that fit as a choice"
    if low < value < high:
        return as_choice
    if value == low or look(low) - here:
        return ""
    while high - low > 1:
        half = (low + high) // 2
        low, high = (low, half) if look(half) - here else (half, high)
    # Of what goes by divisors those that fit stand alone, and no other end would mend the range.
    return as_choice if low == domain.low or look(low - 1) - here else f"; {low} fits"
