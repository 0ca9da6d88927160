"""Reads the `first` points: the members and values that the user names, as points of the space.

A point is checked with the same models as the space, narrowed to the space's own members.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import Field, ValidationError, create_model

from deft_sweeps.specification.combination import Start, middles
from deft_sweeps.specification.combination_space import CombinationSpace, label_of
from deft_sweeps.specification.domain import Const, Value, contains, show
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.setting_model import Shape, named_member, settings_model
from deft_sweeps.specification.setting_reader import (
    as_dict,
    as_list,
    name_and_settings,
    read_values,
)
from deft_sweeps.specification.space_member import SpaceMember
from deft_sweeps.specification.validation_message import Location, shown


def read_first(data: Any, space: CombinationSpace, problems: ProblemCollector) -> list[Start]:
    """The points of the space that `first` names, except those with problems.

    An axis not named takes its first member, an open setting not named the middle of its domain.
    """
    model = _point_model(space.members)
    points: list[Start] = []
    for i, entry in enumerate(as_list(data)):
        if problems.refuses("first", i):
            continue
        point = _read_point(entry, ("first", i), space, model, problems)
        if point in points:
            problems.add(("first", i), "the same point as one before it", "keep one of them")
        elif point is not None:
            points.append(point)
    return points


def _point_model(members: Mapping[str, Sequence[SpaceMember]]) -> type[Shape]:
    """The model of a point of this space."""
    model_fields: dict[str, Any] = {}
    for axis, of_axis in members.items():
        if of_axis[0].label:
            names = {member.label: member.of for member in of_axis}
            hint = named_member(names, searched=False)
        else:
            hint = settings_model(cast(Any, of_axis[0].of), searched=False)
        model_fields[axis] = (hint, Field(default=None))
    return create_model("PointOfSpace", __base__=Shape, **model_fields)


def _read_point(
    entry: Any,
    location: Location,
    space: CombinationSpace,
    model: type[Shape],
    problems: ProblemCollector,
) -> Start | None:
    try:
        model.model_validate_json(json.dumps(entry))
    except ValidationError as error:
        problems.add_errors(error, model, location)
    chosen: list[SpaceMember] = []
    values: dict[str, Value] = {}
    for axis, of_axis in space.members.items():
        given = as_dict(entry).get(axis)
        member, data, place = _choose(of_axis, given, (*location, axis))
        if member is not None:
            chosen.append(member)
            values |= _read_open_values(member, data, place, problems)
    if problems.refuses(*location):
        return None
    return _point_of(space, label_of(chosen), values, location, problems)


def _choose(
    of_axis: Sequence[SpaceMember], entry: Any, location: Location
) -> tuple[SpaceMember | None, Mapping[str, Any], Location]:
    """The member that a point takes on an axis, its settings, and their place.

    None for a member that the space does not have, which the model of the point reports.
    """
    if entry is None or not of_axis[0].label:
        return of_axis[0], as_dict(entry), location
    label, settings = name_and_settings(entry)
    member = next((member for member in of_axis if member.label == label), None)
    return member, as_dict(settings), (*location, label)


def _point_of(
    space: CombinationSpace,
    label: str,
    values: Mapping[str, Value],
    location: Location,
    problems: ProblemCollector,
) -> Start | None:
    """The point of a legal combination; None, with a problem, for an excluded one."""
    combination = next((c for c in space.legal if c.label == label), None)
    if combination is not None:
        return Start(label, {**middles(combination), **values})
    reason = next(excluded.reason for excluded in space.excluded if excluded.label == label)
    problems.add(location, f"the combination `{label}` is excluded: {reason}")
    return None


def _read_open_values(
    member: SpaceMember, data: Mapping[str, Any], location: Location, problems: ProblemCollector
) -> dict[str, Value]:
    """The values given for open settings; reports those outside the space."""
    values = {}
    for name, value in read_values(member.of, data, location, problems).items():
        domain = member.open.get(member.parameter(name), Const(getattr(member.value, name)))
        if not contains(domain, value):
            problems.add((*location, name), _outside(name, domain, data[name]))
        elif not isinstance(domain, Const):
            values[member.parameter(name)] = value
    return values


def _outside(name: str, domain: Any, given: Any) -> str:
    if isinstance(domain, Const):
        fixed = f"it is fixed at {shown(domain.value)}"
        return f"{name} is not open in this space: {fixed}, got {shown(given)}"
    return f"expected {name} in its domain, {show(domain)}, got {shown(given)}"
