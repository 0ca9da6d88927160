"""Pydantic models made from dataclasses: the shape that their settings have in YAML.

A new field of a dataclass appears here, in the messages and in the JSON schema without further
code. Ranges are not checked here: the dataclasses check them when `setting_reader` builds them.
"""

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from deft_sweeps.specification.domain import Categorical, Const, Domain, Float, Int

VALUE_CONFIG = ConfigDict(strict=True, allow_inf_nan=False)
"""No silent conversion of a value."""


class Shape(BaseModel):
    """Base of every model here: no unknown key, no silent conversion."""

    model_config = ConfigDict(**VALUE_CONFIG, extra="forbid")


def is_union(hint: Any) -> bool:
    """Whether a type hint is a union."""
    return get_origin(hint) in (Union, types.UnionType)


def union_of(branches: list[Any]) -> Any:
    """The union of some types."""
    return Union[tuple(branches)]  # noqa: UP007 (the branches are a list)


def members_of(hint: Any) -> dict[str, Any]:
    """The members of a closed union by name: each one's dataclass, None if it has no settings.

    Args:
        hint: a Literal of names, or a union of dataclasses with a `kind`; a single dataclass
            without one has no members.
    """
    if get_origin(hint) is Literal:
        return dict.fromkeys(get_args(hint))
    classes = get_args(hint) if is_union(hint) else (hint,)
    return {kind_of(c): c for c in classes if "kind" in c.__dataclass_fields__}


def kind_of(of: Any) -> str:
    """The name of a union's member, which its field `kind` holds."""
    return str(of.__dataclass_fields__["kind"].default)


def attribute_docs(of: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring says of each attribute."""
    _, _, section = cleandoc(of.__doc__ or "").partition("Attributes:\n")
    entries = re.split(r"\n    (?=\w)", "\n" + section)
    parts = (entry.partition(":") for entry in entries if ":" in entry)
    return {
        name.strip(): " ".join(text.split())
        for names, _, text in parts
        for name in names.split(",")
    }


@cache
def settings_model(of: type[Any], *, searched: bool, kind: bool = False) -> type[Shape]:
    """The model of a dataclass's fields.

    Args:
        of: the dataclass.
        searched: each field may also be a range or a choice.
        kind: include the field that names the member of a union.
    """
    hints, docs = get_type_hints(of), attribute_docs(of)
    model_fields: dict[str, Any] = {}
    for f in fields(of):
        if f.name == "kind" and not kind:
            continue
        hint = hints[f.name]
        info: dict[str, Any] = {"description": docs.get(f.name)}
        if is_dataclass(hint):
            hint = settings_model(hint, searched=searched)  # type: ignore[arg-type]
            info["default_factory"] = hint
        else:
            hint = open_value(hint) if searched else hint
            if f.default is not MISSING or f.default_factory is not MISSING:
                info["default"] = f.default
        model_fields[f.name] = (hint, Field(**info))
    summary = (of.__doc__ or "").split("\n\n")[0]
    return create_model(of.__name__, __base__=Shape, __doc__=summary, **model_fields)


FloatRange = settings_model(Float, searched=False)
IntRange = settings_model(Int, searched=False)


@cache
def open_value(hint: Any) -> Any:
    """A value of the type `hint`, or a domain of such values."""
    name = re.sub(r"\W+", "", getattr(hint, "__name__", str(hint)).replace("typing.", "").title())
    values: Any = Annotated[list[hint], Field(min_length=1)]
    choice = create_model(f"{name}Choice", __base__=Shape, choice=(values, ...))
    branches = [Annotated[hint, Tag("<value>")], Annotated[choice, Tag("<choice>")]]
    has_range = hint in (int, float)
    if has_range:
        branches.append(Annotated[IntRange if hint is int else FloatRange, Tag("<range>")])
    return Annotated[union_of(branches), Discriminator(_domain_tag(has_range=has_range))]


def _domain_tag(*, has_range: bool) -> Callable[[Any], str]:
    def tag(value: Any) -> str:
        if not isinstance(value, dict):
            return "<value>"
        return "<range>" if has_range and "choice" not in value else "<choice>"

    return tag


def domain_of(value: Any) -> Domain:
    """The domain that pydantic read as an `open_value`.

    Raises:
        ValueError: a range without width, or a value named twice.
    """
    if isinstance(value, FloatRange):
        return Float(value.low, value.high, value.log)  # type: ignore[attr-defined]
    if isinstance(value, IntRange):
        return Int(value.low, value.high, value.log)  # type: ignore[attr-defined]
    if hasattr(value, "choice"):
        return Categorical(tuple(value.choice))
    return Const(value)


def named_member(names: Mapping[str, Any], *, searched: bool) -> Any:
    """One of several members: its name, or a mapping of its name to settings.

    Args:
        names: each member's dataclass, None if it has no settings.
        searched: each setting may also be a range or a choice.
    """
    word = Annotated[Literal[tuple(names)], Tag("<name>")]  # type: ignore[valid-type]
    models = []
    for name, of in names.items():
        if of is not None:
            entry: dict[str, Any] = {name: (settings_model(of, searched=searched) | None, ...)}
            model = create_model(f"{of.__name__}Member", __base__=Shape, **entry)
            models.append(Annotated[model, Tag(f"<{name}>")])
    if not models:
        return Literal[tuple(names)]

    def tag(value: Any) -> str | None:
        if isinstance(value, dict):
            with_settings = (name for name in value if names.get(name) is not None)
            return next((f"<{name}>" for name in with_settings), None)
        return "<name>" if isinstance(value, str) else None

    return Annotated[union_of([word, *models]), Discriminator(tag)]
