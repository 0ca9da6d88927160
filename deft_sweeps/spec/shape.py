"""The shape of a spec's YAML, as pydantic models made from the dataclasses of `config` and `spec`.

A new axis member, or a new field of one, appears here, in the messages and in the JSON schema by itself. Ranges are not checked
here: the dataclasses do that when `load` makes them.
"""

import re
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from deft_sweeps.config.data import PackagedTask, Task
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.metrics import METRICS
from deft_sweeps.spec.domain import Choice, Const, Domain, Float, Int
from deft_sweeps.spec.schema import MAX_TRIAL_SEED, Budget, Search, Stopping

FIXED = ("model", "task", "dtype", "base_dropout")
"""The fields of TrialConfig that a sweep sets once; every other one is an axis of its space."""

HINTS = get_type_hints(TrialConfig)
AXES: dict[str, Any] = {f.name: HINTS[f.name] for f in fields(TrialConfig) if f.name not in FIXED}
_AUTO = "auto: bf16 on a GPU and on a processor with instructions for it, else fp32."
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Shape(BaseModel):
    """Base of every model here: no unknown key, no silent conversion."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def members(axis: str) -> dict[str, Any]:
    """The members of an axis by name: the dataclass of each, None where it has no settings; empty where the axis has no members."""
    return members_of(AXES[axis])


def members_of(hint: Any) -> dict[str, Any]:
    """The same for any closed union of names or dataclasses."""
    if get_origin(hint) is Literal:
        return dict.fromkeys(get_args(hint))
    classes = get_args(hint) if is_union(hint) else (hint,)
    return {c.__dataclass_fields__["kind"].default: c for c in classes if "kind" in c.__dataclass_fields__}


def attribute_docs(of: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring says of each attribute."""
    _, _, section = cleandoc(of.__doc__ or "").partition("Attributes:\n")
    entries = re.split(r"\n    (?=\w)", "\n" + section)
    told = (entry.partition(":") for entry in entries if ":" in entry)
    return {name.strip(): " ".join(text.split()) for names, _, text in told for name in names.split(",")}


def _has_default(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@cache
def settings(of: type[Any], *, searched: bool, kind: bool = False) -> type[Shape]:
    """The model of a dataclass's fields.

    Args:
        of: the dataclass.
        searched: each field may also be a range or a choice.
        kind: keep the field that tells the member of a union.
    """
    hints, docs = get_type_hints(of), attribute_docs(of)
    made: dict[str, Any] = {}
    for f in fields(of):
        hint = hints[f.name]
        if f.name == "kind" and not kind:
            continue
        nested = is_dataclass(hint)
        if nested:
            hint = settings(hint, searched=searched)
        elif searched:
            hint = open_value(hint)
        info: dict[str, Any] = {"description": docs.get(f.name)}
        if nested:
            info["default_factory"] = hint
        elif _has_default(f):
            info["default"] = f.default
        made[f.name] = (hint, Field(**info))
    return create_model(of.__name__, __base__=Shape, __doc__=(of.__doc__ or "").split("\n\n")[0], **made)


FloatRange = settings(Float, searched=False)
IntRange = settings(Int, searched=False)


@cache
def open_value(hint: Any) -> Any:
    """A value of the type `hint`, or a domain of such values."""
    name = re.sub(r"\W+", "", getattr(hint, "__name__", str(hint)).replace("typing.", "").title())
    choice = create_model(f"{name}Choice", __base__=Shape, choice=(Annotated[list[hint], Field(min_length=1)], ...))
    branches = [Annotated[hint, Tag("<value>")], Annotated[choice, Tag("<choice>")]]
    if hint in (int, float):
        branches.append(Annotated[IntRange if hint is int else FloatRange, Tag("<range>")])
    return Annotated[_union(branches), Discriminator(_domain_tag(ranged=hint in (int, float)))]


def domain_of(value: Any) -> Domain:
    """What pydantic read as an `open_value`, as a domain.

    Raises:
        ValueError: a range without width, or a value named twice.
    """
    if isinstance(value, FloatRange):
        return Float(value.low, value.high, value.log)  # type: ignore[attr-defined]
    if isinstance(value, IntRange):
        return Int(value.low, value.high, value.log)  # type: ignore[attr-defined]
    if hasattr(value, "choice"):
        return Choice(tuple(value.choice))
    return Const(value)


def _domain_tag(*, ranged: bool) -> Callable[[Any], str]:
    def tag(value: Any) -> str:
        if not isinstance(value, dict):
            return "<value>"
        return "<range>" if ranged and "choice" not in value else "<choice>"

    return tag


def member(axis: str) -> Any:
    """One member of an axis: its name, or a mapping of its name to settings."""
    return _named(members(axis), searched=True)


def _named(names: dict[str, Any], *, searched: bool) -> Any:
    word = Annotated[Literal[tuple(names)], Tag("<name>")]  # type: ignore[valid-type]
    models = []
    for name, of in names.items():
        if of is not None:
            made: dict[str, Any] = {name: (settings(of, searched=searched) | None, ...)}
            models.append(Annotated[create_model(f"{of.__name__}Member", __base__=Shape, **made), Tag(f"<{name}>")])
    if not models:
        return Literal[tuple(names)]

    def tag(value: Any) -> str | None:
        if isinstance(value, dict):
            return next((f"<{name}>" for name in value if names.get(name) is not None), None)
        return "<name>" if isinstance(value, str) else None

    return Annotated[_union([word, *models]), Discriminator(tag)]


def tasks() -> dict[str, Any]:
    """The kinds of task by name."""
    return {of.__dataclass_fields__["kind"].default: of for of in get_args(Task)}


def _task() -> Any:
    kinds = tasks()

    def tag(value: Any) -> str | None:
        if isinstance(value, dict):
            kind = value.get("kind")
            return f"<{kind}>" if isinstance(kind, str) and kind in kinds else None
        return "<name>" if isinstance(value, str) else None

    names = get_type_hints(PackagedTask)["name"]
    models = [Annotated[settings(of, searched=False, kind=True), Tag(f"<{kind}>")] for kind, of in kinds.items()]
    return Annotated[_union([Annotated[names, Tag("<name>")], *models]), Discriminator(tag)]


def _point() -> type[Shape]:
    made: dict[str, Any] = {}
    for axis in AXES:
        names = members(axis)
        word = Annotated[str, Tag("<name>")]
        with_values = Annotated[dict[str, dict[str, Any] | None], Field(min_length=1, max_length=1), Tag("<settings>")]
        if names and any(names.values()):
            hint: Any = Annotated[_union([word, with_values]), Discriminator(lambda v: "<settings>" if isinstance(v, dict) else "<name>")]
        else:
            hint = str if names else dict[str, Any]
        made[axis] = (hint, Field(default=None, description=f"Member of {axis}, with values for what it leaves open."))
    return create_model("Point", __base__=Shape, __doc__="A point tried before the sampler's own.", **made)


def _space() -> type[Shape]:
    docs = attribute_docs(TrialConfig)
    made: dict[str, Any] = {}
    for axis, hint in AXES.items():
        if members(axis):
            entry: Any = member(axis)
            listed: Any = Annotated[list[entry], Field(min_length=1)]
            made[axis] = (
                listed,
                Field(default=None, description=docs.get(axis) or f"Members of the axis {axis}; the default one where left out."),
            )
        else:
            made[axis] = (settings(hint, searched=True), Field(default=None, description=docs.get(axis)))
    return create_model(
        "Space", __base__=Shape, __doc__="What is searched: members of each axis; an axis left out takes its default.", **made
    )


def _union(branches: list[Any]) -> Any:
    return Union[tuple(branches)]  # noqa: UP007 (the branches are a list)


def _sweep() -> type[Shape]:
    docs = attribute_docs(TrialConfig)
    metric: Any = Literal[tuple(METRICS)]
    point: Any = _point()
    made: dict[str, Any] = {
        "name": (Annotated[str, Field(pattern=NAME_PATTERN)], Field(description="Of the sweep; also of its folder under runs/.")),
        "model": (str, Field(default=TrialConfig().model, description=docs["model"])),
        "task": (
            _task(),
            Field(default="rotten-tomatoes", description="Labelled examples: a packaged set's name, GLUE, SQuAD, or the user's own data."),
        ),
        "dtype": (Literal["auto", *get_args(HINTS["dtype"])], Field(default="auto", description=f"{docs['dtype']} {_AUTO}")),
        "base_dropout": (float, Field(default=TrialConfig().base_dropout, description=docs["base_dropout"])),
        "space": (_space(), Field(description="What is searched.")),
        "first": (list[point], Field(default=[], description="Points tried before the sampler's own.")),
        "objectives": (
            Annotated[list[metric], Field(min_length=2)],
            Field(default=["score", "activation_density"], description="Metrics that the front weighs against each other."),
        ),
        "limits": (list[str], Field(default=[], description="Such as `weight_bytes <= 64 MiB`: what a front member must keep.")),
        "choose": (
            str,
            Field(default="knee", description="`best METRIC where LIMIT and ...`, or `knee where ...`: which member is shipped."),
        ),
        "evaluation": (settings(Evaluation, searched=False), Field(default=None, description="How every trial is measured.")),
        "search": (settings(Search, searched=False), Field(default=None, description="How points are proposed.")),
        "stopping": (_named(members_of(Stopping), searched=False), Field(default="none", description="Which trials are stopped early.")),
        "budget": (settings(Budget, searched=False), Field(description="What the sweep may use.")),
        "trial_seed": (Annotated[int, Field(ge=0, le=MAX_TRIAL_SEED)], Field(default=0, description="Seed of every trial's training.")),
        "seeds": (
            Annotated[int, Field(ge=1)],
            Field(default=1, description="Training seeds that each configuration of the front is to have before the choice."),
        ),
        "tracking_uri": (
            str | None,
            Field(default=None, description="Of an MLflow server; null keeps a SQLite store in the sweep's folder."),
        ),
    }
    return create_model("Sweep", __base__=Shape, __doc__="A deft-sweeps search space.", **made)


Sweep = _sweep()


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec's YAML, for editors; ranges are checked by `validate` only."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Sweep.model_json_schema()}
