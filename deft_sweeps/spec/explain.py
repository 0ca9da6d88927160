"""pydantic's findings as problems in plain English: where, what was expected, what was got, and the nearest known word."""

import json
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from deft_sweeps.errors import Problem
from deft_sweeps.objective import suggest
from deft_sweeps.spec.document import Document
from deft_sweeps.spec.shape import NAME_PATTERN, Sweep, is_union, tasks

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


def explain(error: ValidationError, document: Document) -> list[Problem]:
    """One problem for each finding, in the order of the file."""
    found = [_problem(details, document) for details in error.errors(include_url=False)]
    return list(dict.fromkeys(found))


def got(value: Any) -> str:
    """A value as it stands in the file, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _problem(details: ErrorDetails, document: Document) -> Problem:
    location, kind, value = details["loc"], details["type"], details["input"]
    hint = _annotation(Sweep, location)
    place = document.at(location)
    match kind:
        case "missing":
            return Problem(place, f"expected the key `{location[-1]}`{_of(location[:-1])}, which is not there")
        case "extra_forbidden":
            known = _keys(_annotation(Sweep, location[:-1]))
            what = f"unknown key `{location[-1]}`{_of(location[:-1])}; expected " + (f"one of {', '.join(known)}" if known else "none")
            return Problem(document.at(location, key=True), what + suggest(str(location[-1]), known))
        case "literal_error":
            names = _words(hint)
            hint_of = f"; write it in quotes, {str(value)!r}" if str(value) in names else suggest(str(value), names)
            return Problem(place, f"expected {_either(names)}{_or_domain(location)}, got {got(value)}{hint_of}")
        case "union_tag_invalid" | "union_tag_not_found":
            names = _words(hint)
            word = str(next(iter(value), "")) if isinstance(value, dict) else str(value)
            how = f"{_either(names)}, by name or as a mapping of the name to its settings"
            if location[-1:] == ("task",):
                how = f"{_either(names)}, or a mapping with `kind`, one of {', '.join(tasks())}, and its settings"
            return Problem(place, f"expected {how}, got {got(value)}{suggest(word, names)}")
        case "too_short":
            least = details["ctx"]["min_length"]
            return Problem(place, f"expected at least {'one entry' if least == 1 else f'{least} entries'}, got {got(value)}")
        case "too_long":
            return Problem(place, f"expected one member, got {got(value)}")
        case "string_pattern_mismatch":
            return Problem(place, f"expected a name that suits a folder ({NAME_PATTERN}), got {got(value)}")
        case _ if kind in _NOUNS:
            return Problem(place, f"expected {_NOUNS[kind]}{_or_domain(location)}, got {got(value)}")
        case _:
            return Problem(place, f"{details['msg']}, got {got(value)}")


def _of(location: tuple[str | int, ...]) -> str:
    named = [step for step in location if isinstance(step, str) and not step.startswith("<")]
    return f" of {named[-1]}" if named else ""


def _or_domain(location: tuple[str | int, ...]) -> str:
    return ", or {low, high}, or {choice: [...]}" if location[-1:] == ("<value>",) else ""


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _branches(hint: Any) -> list[Any]:
    return list(get_args(_bare(hint))) if is_union(_bare(hint)) else [hint]


def _annotation(hint: Any, location: tuple[str | int, ...]) -> Any:
    """The type that stands at a location of pydantic's; None where it leads nowhere."""
    if not location:
        return hint
    step, rest = location[0], location[1:]
    for branch in _branches(hint):
        bare = _bare(branch)
        tags = [m.tag for m in getattr(branch, "__metadata__", ()) if isinstance(m, Tag)]
        if step in tags:
            return _annotation(bare, rest)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            if step in bare.model_fields:
                field = bare.model_fields[str(step)]
                return _annotation(field.annotation, rest)
        elif get_origin(bare) in (list, tuple) and isinstance(step, int):
            return _annotation(get_args(bare)[0], rest)
    return None


def _keys(hint: Any) -> list[str]:
    for branch in _branches(hint):
        bare = _bare(branch)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            return list(bare.model_fields)
    return []


def _words(hint: Any) -> list[str]:
    """The words a type allows: of its literals, and of the members it may be a mapping of."""
    found: list[str] = []
    for branch in _branches(hint):
        bare = _bare(branch)
        if get_origin(bare) is Literal:
            found += [str(word) for word in get_args(bare)]
    return list(dict.fromkeys(found))
