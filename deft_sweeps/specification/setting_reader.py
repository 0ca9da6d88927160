"""Reads the settings of a dataclass from YAML data, and reports what it does not accept."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from deft_sweeps.specification.domain import Const, Domain, Value
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.range_check import rejected_values, required_settings
from deft_sweeps.specification.setting_model import VALUE_CONFIG, domain_of, settings_model
from deft_sweeps.specification.validation_message import Location


def as_dict(data: Any) -> Mapping[str, Any]:
    """The data if it is a mapping, else an empty one; the schema reports other data."""
    return data if isinstance(data, dict) else {}


def as_list(data: Any) -> list[Any]:
    """The data if it is a list, else an empty one; the schema reports other data."""
    return data if isinstance(data, list) else []


def name_and_settings(entry: Any) -> tuple[Any, Any]:
    """A member's name and settings, from the name alone or from a mapping of it to settings."""
    return next(iter(entry.items()), ("", None)) if isinstance(entry, dict) else (entry, None)


def read_domains(
    of: Any,
    data: Any,
    location: Location,
    problems: ProblemCollector,
    *,
    searched: bool,
) -> dict[str, Domain] | None:
    """Each setting in `data` as a domain; None if a problem leaves nothing to build `of` from.

    A setting of the wrong type is left out, since the schema reports it.

    Args:
        of: the dataclass.
        data: its settings; null stands for no settings.
        location: of the settings in the document.
        problems: receives what is not accepted.
        searched: a setting may also be a range or a choice.
    """
    if not isinstance(data or {}, dict):
        return None
    domains = _typed_domains(of, data or {}, location, problems, searched=searched)
    if any(name not in domains for name in required_settings(of)):  # The schema reports it.
        return None
    rejected = rejected_values(of, domains)
    for value in rejected:
        problems.add((*location, *value.path), value.reason)
    return None if rejected else domains


def build(of: Any, data: Any, location: Location, problems: ProblemCollector) -> Any:
    """The dataclass `of` with the settings in `data`; None if a problem leaves nothing to build."""
    domains = read_domains(of, data, location, problems, searched=False)
    if domains is None:
        return None
    return of(**{name: d.value for name, d in domains.items() if isinstance(d, Const)})


def read_values(
    of: Any, data: Mapping[str, Any], location: Location, problems: ProblemCollector
) -> dict[str, Value]:
    """Each plain setting in `data`, converted to its field's type; its range is not checked."""
    if of is None:
        return {}
    domains = _typed_domains(of, data, location, problems, searched=False)
    return {name: d.value for name, d in domains.items() if isinstance(d, Const)}


def _typed_domains(
    of: Any,
    data: Mapping[str, Any],
    location: Location,
    problems: ProblemCollector,
    *,
    searched: bool,
) -> dict[str, Domain]:
    hints = get_type_hints(of)
    domains: dict[str, Domain] = {}
    for f in fields(of):
        if f.name not in data or f.name == "kind":
            continue
        place = (*location, f.name)
        if is_dataclass(hints[f.name]):
            nested = build(hints[f.name], data[f.name], place, problems)
            if nested is not None:
                domains[f.name] = Const(nested)
            continue
        try:
            value = _adapter(of, f.name, searched).validate_json(json.dumps(data[f.name]))
        except ValidationError:  # The schema reports it.
            continue
        try:
            domains[f.name] = domain_of(value)
        except ValueError as error:
            problems.add(place, f"{f.name}: {error}")
    return domains


@cache
def _adapter(of: Any, name: str, searched: bool) -> TypeAdapter[Any]:
    """Reads one setting, exactly as the model of all of them does."""
    field = settings_model(of, searched=searched).model_fields[name]
    hint: Any = field.annotation
    hint = Annotated[hint, *field.metadata] if field.metadata else hint
    return TypeAdapter(hint, config=VALUE_CONFIG)
