"""Which members of the axes go together, as a table: of one sweep, or of all members there are.

The answers come from the rules that refuse a trial (`config.compat`), so the table cannot disagree
with them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_schema import AXES, members

MEMBER_AXES = tuple(axis for axis in AXES if members(axis))
"""The axes whose members have names, in the order in which a combination's label lists them."""

Answer = Literal["yes", "some", "no"]


@dataclass(frozen=True, slots=True)
class CheckedCombination:
    """One combination and the verdict on it.

    Attributes:
        parts: name of its member by axis.
        reason: why it is illegal; None if it is legal.
        config: with the open settings at the middle of their domains; None of a combination that
            the sweep's own rules exclude.
    """

    parts: Mapping[str, str]
    reason: str | None
    config: TrialConfig | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason and the combinations that it forbids.

    Attributes:
        where: by axis the members it forbids, without the axes on which it forbids every member.
    """

    reason: str
    where: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class LegalityTable:
    """All combinations of some members.

    Attributes:
        names: of each axis's members.
    """

    names: Mapping[str, tuple[str, ...]]
    checked: tuple[CheckedCombination, ...]

    @property
    def n_legal(self) -> int:
        """How many combinations may run."""
        return sum(combination.reason is None for combination in self.checked)

    def answer(self, **parts: str) -> Answer:
        """Whether these members go together: with every choice on the other axes, some, or none."""
        reasons = [
            combination.reason
            for combination in self.checked
            if all(combination.parts[axis] == name for axis, name in parts.items())
        ]
        if all(reason is None for reason in reasons):
            return "yes"
        return "some" if None in reasons else "no"

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Each reason once, in the order of the first combination that it forbids."""
        by_reason: dict[str, list[CheckedCombination]] = {}
        for combination in self.checked:
            if combination.reason is not None:
                by_reason.setdefault(combination.reason, []).append(combination)
        return tuple(Refusal(reason, self._where(cases)) for reason, cases in by_reason.items())

    def _where(self, cases: Sequence[CheckedCombination]) -> dict[str, tuple[str, ...]]:
        forbidden = {axis: {case.parts[axis] for case in cases} for axis in self.names}
        return {
            axis: tuple(name for name in names if name in forbidden[axis])
            for axis, names in self.names.items()
            if forbidden[axis] < set(names)
        }


def table_of_all_members() -> LegalityTable:
    """Every member with its defaults, and once more for each switch or named choice it has."""
    by_axis = {
        axis: [variant for name, of in members(axis).items() for variant in variants(name, of)]
        for axis in MEMBER_AXES
    }
    checked = []
    for chosen in product(*by_axis.values()):
        parts = {axis: name for axis, (name, _) in zip(by_axis, chosen, strict=True)}
        config = TrialConfig(
            **{axis: value for axis, (_, value) in zip(by_axis, chosen, strict=True)}
        )
        checked.append(CheckedCombination(parts, illegal(config), config))
    return _table(checked)


def table_of_sweep(
    spec: SweepSpec, problems_of: Callable[[Combination], list[str]]
) -> LegalityTable:
    """The combinations that a sweep names, legal and excluded.

    `problems_of` says what the sweep's model forbids of a combination.
    """
    named = [
        CheckedCombination(_parts(c.label), "; ".join(problems_of(c)) or None, c.template)
        for c in spec.combinations
    ]
    excluded = [CheckedCombination(_parts(one.label), one.reason) for one in spec.excluded]
    return _table([*named, *excluded])


def variants(name: str, of: type[Any] | None) -> list[tuple[str, Any]]:
    """A member with its defaults, then with one switch or named choice changed at a time.

    Each has a name of its own: `lora`, `lora dora`.
    """
    if of is None:
        return [(name, name)]
    default = of()
    result = [(name, default)]
    hints = get_type_hints(of)
    for f in fields(of):
        if f.name == "kind":
            continue
        now = getattr(default, f.name)
        if isinstance(now, bool):
            result.append((f"{name} {f.name}", replace(default, **{f.name: not now})))
        elif get_origin(hints[f.name]) is Literal:
            others = (word for word in get_args(hints[f.name]) if word != now)
            result += [(f"{name} {word}", replace(default, **{f.name: word})) for word in others]
    return result


def _parts(label: str) -> dict[str, str]:
    return dict(zip(MEMBER_AXES, label.split(" "), strict=True))


def _table(combinations: Iterable[CheckedCombination]) -> LegalityTable:
    checked = tuple(combinations)
    names = {axis: tuple(dict.fromkeys(c.parts[axis] for c in checked)) for axis in MEMBER_AXES}
    return LegalityTable(names, checked)
