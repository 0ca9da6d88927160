"""The `first` points: names and numbers as the user wrote them, to points of the space."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from deft_sweeps.objective import suggest
from deft_sweeps.spec.domain import Float, Value, contains, show
from deft_sweeps.spec.explain import got
from deft_sweeps.spec.schema import Combination, Excluded, Start
from deft_sweeps.spec.space import Fault, Option, middles

Options = Mapping[str, Sequence[Option]]


def start(point: Mapping[str, Any], options: Options, legal: Sequence[Combination], excluded: Sequence[Excluded]) -> Start | list[Fault]:
    """The point of the space that `point` names, or everything that is wrong with it.

    An axis not named takes its first member, an open setting not named the middle of its domain.

    Args:
        point: axis to a member's label, or to `{label: values}`; for an axis without members, to values.
        options: the space's members, by axis.
        legal: the combinations that a point may belong to.
        excluded: those that it may not.
    """
    faults: list[Fault] = []
    chosen: list[Option] = []
    values: dict[str, Value] = {}
    for axis, of_axis in options.items():
        found = _pick(axis, point.get(axis), of_axis)
        if isinstance(found, Fault):
            faults.append(found)
            continue
        picked, settings, path = found
        chosen.append(picked)
        for name, value in settings.items():
            settled = tuple(value) if isinstance(value, list) else value
            fault = _refused(picked, name, settled)
            parameter = picked.parameter(name)
            if fault is not None:
                faults.append(Fault((*path, name), fault))
            elif parameter in picked.open:
                values[parameter] = float(value) if isinstance(picked.open[parameter], Float) else settled
    if faults:
        return faults
    label = " ".join(o.label for o in chosen if o.label)
    reason = next((e.reason for e in excluded if e.label == label), None)
    if reason is not None:
        return [Fault((), f"the combination `{label}` is excluded: {reason}")]
    combination = next(c for c in legal if c.label == label)
    return Start(label, middles(combination) | values)


def _pick(axis: str, entry: Any, of_axis: Sequence[Option]) -> tuple[Option, Mapping[str, Any], tuple[str, ...]] | Fault:
    if not of_axis[0].label:
        return of_axis[0], entry or {}, (axis,)
    if entry is None:
        return of_axis[0], {}, (axis,)
    label, settings = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
    labels = [o.label for o in of_axis]
    if label not in labels:
        return Fault((axis,), f"expected a member of {axis} in this space ({', '.join(labels)}), got {got(label)}{suggest(label, labels)}")
    return of_axis[labels.index(label)], settings or {}, (axis, label)


def _refused(picked: Option, name: str, value: Value) -> str | None:
    settings = [] if isinstance(picked.value, str) else [f.name for f in fields(picked.value)]
    if name not in settings:
        open_names = [parameter.split(".")[-1] for parameter in picked.open]
        what = f"`{name}` is no setting of {picked.label or picked.axis}"
        return f"{what}; open here: {', '.join(open_names) or 'none'}{suggest(name, settings)}"
    domain = picked.open.get(picked.parameter(name))
    if domain is not None:
        return None if contains(domain, value) else f"expected {name} in its domain, {show(domain)}, got {got(value)}"
    fixed = getattr(picked.value, name)
    return None if value == fixed else f"{name} is not open in this space: it is fixed at {got(fixed)}, got {got(value)}"
