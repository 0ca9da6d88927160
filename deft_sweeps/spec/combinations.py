"""Which members of the axes go together, as a table: of one sweep, or of all there are.

The answers come from the rules that refuse a trial (`config.compat`), so the table cannot say otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.spec.schema import Combination, SweepSpec
from deft_sweeps.spec.shape import AXES, members

MEMBER_AXES = tuple(axis for axis in AXES if members(axis))
"""The axes whose members have names, in the order in which a combination's label tells them."""

Answer = Literal["yes", "some", "no"]


@dataclass(frozen=True, slots=True)
class Tried:
    """One combination.

    Attributes:
        parts: name of its member by axis.
        reason: why it is refused; None where it is legal.
    """

    parts: Mapping[str, str]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """One reason and where it holds.

    Attributes:
        where: by axis the members it holds for, without the axes on which it holds for every member.
    """

    reason: str
    where: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Combinations:
    """All combinations of some members.

    Attributes:
        names: of each axis's members.
    """

    names: Mapping[str, tuple[str, ...]]
    tried: tuple[Tried, ...]

    @property
    def n_legal(self) -> int:
        return sum(tried.reason is None for tried in self.tried)

    def answer(self, **parts: str) -> Answer:
        """Whether these members go together: with every choice on the other axes, with some, or with none."""
        reasons = [tried.reason for tried in self.tried if all(tried.parts[axis] == name for axis, name in parts.items())]
        if all(reason is None for reason in reasons):
            return "yes"
        return "some" if None in reasons else "no"

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Each reason once, in the order in which it is first met."""
        held: dict[str, list[Tried]] = {}
        for tried in self.tried:
            if tried.reason is not None:
                held.setdefault(tried.reason, []).append(tried)
        return tuple(Refused(reason, self._where(cases)) for reason, cases in held.items())

    def _where(self, cases: Sequence[Tried]) -> dict[str, tuple[str, ...]]:
        met = {axis: {case.parts[axis] for case in cases} for axis in self.names}
        return {axis: tuple(name for name in names if name in met[axis]) for axis, names in self.names.items() if met[axis] < set(names)}


def of_all_members() -> Combinations:
    """Every member with its defaults, and once more for each switch or named choice among its settings."""
    options = {axis: [option for name, of in members(axis).items() for option in variants(name, of)] for axis in MEMBER_AXES}
    tried = []
    for chosen in product(*options.values()):
        parts = {axis: name for axis, (name, _) in zip(options, chosen, strict=True)}
        config = TrialConfig(**{axis: value for axis, (_, value) in zip(options, chosen, strict=True)})
        tried.append(Tried(parts, illegal(config)))
    return _gathered(tried)


def of_sweep(spec: SweepSpec, problems_of: Callable[[Combination], list[str]]) -> Combinations:
    """The combinations that a sweep names, legal and excluded.

    Args:
        spec: of the sweep.
        problems_of: what the sweep's model forbids of a combination.
    """
    legal = [(c.label, "; ".join(problems_of(c)) or None) for c in spec.combinations]
    told = [*legal, *((excluded.label, excluded.reason) for excluded in spec.excluded)]
    return _gathered([Tried(dict(zip(MEMBER_AXES, label.split(" "), strict=True)), reason) for label, reason in told])


def variants(name: str, of: type[Any] | None) -> list[tuple[str, Any]]:
    """A member of an axis with its defaults, and with each switch and each other named choice by itself: `lora`, `lora dora`."""
    if of is None:
        return [(name, name)]
    default = of()
    made = [(name, default)]
    hints = get_type_hints(of)
    for f in fields(of):
        now = getattr(default, f.name)
        if f.name != "kind" and isinstance(now, bool):
            made.append((f"{name} {f.name}", replace(default, **{f.name: not now})))
        elif f.name != "kind" and get_origin(hints[f.name]) is Literal:
            made += [(f"{name} {word}", replace(default, **{f.name: word})) for word in get_args(hints[f.name]) if word != now]
    return made


def _gathered(tried: Iterable[Tried]) -> Combinations:
    kept = tuple(tried)
    return Combinations({axis: tuple(dict.fromkeys(t.parts[axis] for t in kept)) for axis in MEMBER_AXES}, kept)
