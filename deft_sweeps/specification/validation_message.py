"""Pydantic's validation errors in plain English: where, what was expected, and what was given."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from deft_sweeps.errors import Problem
from deft_sweeps.objective import suggest
from deft_sweeps.specification.setting_model import is_union
from deft_sweeps.specification.yaml_document import Document
from deft_sweeps.specification.yaml_schema import MAX_NAME_BYTES, NAME_PATTERN, task_kinds
from deft_sweeps.units import shortened

Location = tuple[str | int, ...]

_NOUNS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list, such as [a, b]",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
}


def problem_of(
    details: ErrorDetails, document: Document, model: type[BaseModel], prefix: Location = ()
) -> Problem:
    """One validation error as a problem.

    Args:
        details: of the error.
        document: that was validated, or a part of it.
        model: that it was validated against.
        prefix: of the part in the document.
    """
    location, kind = details["loc"], details["type"]
    place = (*prefix, *location)
    if kind == "extra_forbidden":
        parent = _annotation(model, location[:-1])
        return Problem(document.at(place, key=True), _unknown_key(place, _keys(parent)))
    what = _expectation(details, _annotation(model, location), place)
    return Problem(document.at(place), what)


def shown(value: Any) -> str:
    """A value as it is written in the file, cut to a readable length."""
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


def expected_name(names: Iterable[str], value: Any, *, what: str = "") -> str:
    """`expected one of a, b, got "c"`, with the nearest name if one is near.

    `what` follows the names: where they come from, or what else is allowed.
    """
    names = list(names)
    word = str(next(iter(value), "")) if isinstance(value, dict) else str(value)
    is_unquoted = word in names and not isinstance(value, dict)
    mend = f"; write it in quotes, {word!r}" if is_unquoted else suggest(word, names)
    return f"expected {_either(names)}{what}, got {shown(value)}{mend}"


def _unknown_key(place: Location, keys: list[str]) -> str:
    expected = f"one of {', '.join(keys)}" if keys else "none"
    key = str(place[-1])
    unknown = f"unknown key `{shortened(key)}`{_of(place[:-1])}"
    return f"{unknown}; expected {expected}{suggest(key, keys)}"


def _expectation(details: ErrorDetails, hint: Any, place: Location) -> str:
    kind, value = details["type"], details["input"]
    match kind:
        case "missing":
            return f"expected the key `{place[-1]}`{_of(place[:-1])}, which is not there"
        case "literal_error":
            return expected_name(_words(hint), value, what=_in_space(place) + _or_domain(place))
        case "union_tag_invalid" | "union_tag_not_found":
            return _expected_member(_words(hint), value, place)
        case "too_short":
            least = details["ctx"]["min_length"]
            entries = "one entry" if least == 1 else f"{least} entries"
            return f"expected at least {entries}, got {shown(value)}"
        case "too_long":
            return f"expected one member, got {shown(value)}"
        case "string_pattern_mismatch" | "string_too_long":
            suits = f"{NAME_PATTERN}, at most {MAX_NAME_BYTES} bytes"
            return f"expected a name that suits a folder ({suits}), got {shown(value)}"
    if kind in _NOUNS:
        return f"expected {_NOUNS[kind]}{_or_domain(place)}, got {shown(value)}"
    return f"{details['msg']}, got {shown(value)}"


def _expected_member(names: list[str], value: Any, place: Location) -> str:
    how = ", by name or as a mapping of the name to its settings"
    if place[-1:] == ("task",):
        how = f", or a mapping with `kind`, one of {', '.join(task_kinds())}, and its settings"
    return expected_name(names, value, what=_in_space(place) + how)


def _in_space(place: Location) -> str:
    """` in this space` for a member that a first point names."""
    is_member = place[:1] == ("first",) and place[3:] in ((), ("<name>",))
    return " in this space" if is_member else ""


def _of(location: Location) -> str:
    """` of task`: the nearest key that holds the location."""
    keys = [step for step in location if isinstance(step, str) and not step.startswith("<")]
    return f" of {shortened(keys[-1])}" if keys else ""


def _or_domain(location: Location) -> str:
    return ", or {low, high}, or {choice: [...]}" if location[-1:] == ("<value>",) else ""


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)


def _annotation(hint: Any, location: Location) -> Any:
    """The type at one of pydantic's locations; None if the location leads nowhere."""
    if not location:
        return hint
    step, rest = location[0], location[1:]
    for branch in _branches(hint):
        bare = _bare(branch)
        tags = [m.tag for m in getattr(branch, "__metadata__", ()) if isinstance(m, Tag)]
        if step in tags:
            return _annotation(bare, rest)
        if _is_model(bare):
            if step in bare.model_fields:
                return _annotation(bare.model_fields[str(step)].annotation, rest)
        elif get_origin(bare) in (list, tuple) and isinstance(step, int):
            return _annotation(get_args(bare)[0], rest)
    return None


def _keys(hint: Any) -> list[str]:
    """The keys that a type allows."""
    models = (_bare(branch) for branch in _branches(hint) if _is_model(_bare(branch)))
    return next((list(model.model_fields) for model in models), [])


def _words(hint: Any) -> list[str]:
    """The words that a type allows."""
    literals = (_bare(b) for b in _branches(hint) if get_origin(_bare(b)) is Literal)
    return list(dict.fromkeys(str(word) for literal in literals for word in get_args(literal)))


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _branches(hint: Any) -> list[Any]:
    return list(get_args(_bare(hint))) if is_union(_bare(hint)) else [hint]


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
