"""The shape of a sweep's YAML as one pydantic model, made from the dataclasses it is read into.

A new axis, or a new member of one, appears here, in the messages and in the JSON schema without
further code.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Discriminator, Field, Tag, create_model

from deft_sweeps.config.data import PackagedTask, Task
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.metrics import DEFAULT_OBJECTIVES, METRICS
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.search_settings import Budget, Search, Stopping
from deft_sweeps.specification.setting_model import (
    Shape,
    attribute_docs,
    kind_of,
    members_of,
    named_member,
    settings_model,
    union_of,
)
from deft_sweeps.specification.sweep_spec import MAX_TRIAL_SEED, SweepSpec

FIXED = ("model", "task", "dtype", "base_dropout", "revision")
"""The fields of TrialConfig that a sweep sets once; every other one is an axis of its space."""

HINTS = get_type_hints(TrialConfig)
AXES: dict[str, Any] = {f.name: HINTS[f.name] for f in fields(TrialConfig) if f.name not in FIXED}
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MAX_NAME_BYTES = 255
"""Of a folder's name; the pattern's characters are bytes."""
_AUTO = "auto: bf16 on a GPU and on a processor with instructions for it, else fp32."


def members(axis: str) -> dict[str, Any]:
    """The members of an axis by name: each one's dataclass, None if it has no settings.

    Empty for an axis that is a single dataclass, such as `training`.
    """
    return members_of(AXES[axis])


def task_kinds() -> dict[str, Any]:
    """The dataclass of each kind of task."""
    return {kind_of(of): of for of in get_args(Task)}


def _task() -> Any:
    kinds = task_kinds()

    def tag(value: Any) -> str | None:
        if isinstance(value, dict):
            kind = value.get("kind")
            return f"<{kind}>" if isinstance(kind, str) and kind in kinds else None
        return "<name>" if isinstance(value, str) else None

    names = get_type_hints(PackagedTask)["name"]
    models = [
        Annotated[settings_model(of, searched=False, kind=True), Tag(f"<{kind}>")]
        for kind, of in kinds.items()
    ]
    return Annotated[union_of([Annotated[names, Tag("<name>")], *models]), Discriminator(tag)]


def _point() -> type[Shape]:
    """A `first` point whatever the space; `first_point` checks it against the sweep's own space."""
    model_fields: dict[str, Any] = {}
    word = Annotated[str, Tag("<name>")]
    one_entry = Field(min_length=1, max_length=1)
    with_values = Annotated[dict[str, dict[str, Any] | None], one_entry, Tag("<settings>")]
    tag = Discriminator(lambda value: "<settings>" if isinstance(value, dict) else "<name>")
    for axis in AXES:
        names = members(axis)
        hint: Any = str if names else dict[str, Any]
        if any(names.values()):
            hint = Annotated[union_of([word, with_values]), tag]
        description = f"Member of {axis}, with values for what it leaves open."
        model_fields[axis] = (hint, Field(default=None, description=description))
    summary = "A point tried before the sampler's own."
    return create_model("Point", __base__=Shape, __doc__=summary, **model_fields)


def _space() -> type[Shape]:
    docs = attribute_docs(TrialConfig)
    model_fields: dict[str, Any] = {}
    for axis, hint in AXES.items():
        description = docs.get(axis)
        if members(axis):
            entry: Any = named_member(members(axis), searched=True)
            shape: Any = Annotated[list[entry], Field(min_length=1)]
            description = description or f"Members of the axis {axis}; the default one if left out."
        else:
            shape = settings_model(hint, searched=True)
        model_fields[axis] = (shape, Field(default=None, description=description))
    summary = "What is searched: members of each axis; an axis left out takes its default."
    return create_model("Space", __base__=Shape, __doc__=summary, **model_fields)


def _trial_fields() -> dict[str, Any]:
    """The fields that every trial of the sweep shares."""
    docs, default = attribute_docs(TrialConfig), TrialConfig()
    dtypes: Any = Literal["auto", *get_args(HINTS["dtype"])]
    return {
        "model": (str, Field(default=default.model, description=docs["model"])),
        "task": (
            _task(),
            Field(
                default=PackagedTask().name,
                description=(
                    "Examples: a packaged set, GLUE, SQuAD, or the user's own data; relative paths"
                    " start from the YAML's folder."
                ),
            ),
        ),
        "dtype": (dtypes, Field(default="auto", description=f"{docs['dtype']} {_AUTO}")),
        "base_dropout": (
            float,
            Field(default=default.base_dropout, description=docs["base_dropout"]),
        ),
        "revision": (str | None, Field(default=None, description=docs["revision"])),
    }


def _aim_fields() -> dict[str, Any]:
    """The fields that say what a good trial is."""
    metric: Any = Literal[tuple(METRICS)]
    return {
        "objectives": (
            Annotated[list[metric], Field(min_length=2)],
            Field(
                default=list(DEFAULT_OBJECTIVES),
                description="Metrics that the front weighs against each other.",
            ),
        ),
        "limits": (
            list[str],
            Field(
                default=[],
                description="Such as `weight_bytes <= 64 MiB`: what a front member must keep.",
            ),
        ),
        "choose": (
            str,
            Field(
                default="knee",
                description="The member to ship: `best METRIC where LIMIT ...`, `knee where ...`.",
            ),
        ),
        "alpha": (
            Annotated[float, Field(gt=0, lt=1)],
            Field(default=SweepSpec.alpha, description=attribute_docs(SweepSpec)["alpha"]),
        ),
        "deploy": (
            settings_model(Deployment, searched=False) | None,
            Field(
                default=None,
                description="What the choice will run in; its costs and scores are measured there.",
            ),
        ),
    }


def _search_fields() -> dict[str, Any]:
    """The fields that say how the search goes."""
    docs = attribute_docs(SweepSpec)
    stopping = named_member(members_of(Stopping), searched=False)
    return {
        "evaluation": (
            settings_model(Evaluation, searched=False),
            Field(default=None, description="How every trial is measured."),
        ),
        "search": (
            settings_model(Search, searched=False),
            Field(default=None, description="How points are proposed."),
        ),
        "stopping": (
            stopping,
            Field(default="none", description="Which trials are stopped early."),
        ),
        "budget": (
            settings_model(Budget, searched=False),
            Field(description="What the sweep may use."),
        ),
        "trial_seed": (
            Annotated[int, Field(ge=0, le=MAX_TRIAL_SEED)],
            Field(default=SweepSpec.trial_seed, description=docs["trial_seed"]),
        ),
        "seeds": (
            Annotated[int, Field(ge=1)],
            Field(default=SweepSpec.seeds, description=docs["seeds"]),
        ),
        "tracking_uri": (
            str | None,
            Field(default=SweepSpec.tracking_uri, description=docs["tracking_uri"]),
        ),
    }


def _sweep() -> type[Shape]:
    point: Any = _point()
    model_fields: dict[str, Any] = {
        "name": (
            Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME_BYTES)],
            Field(description="Of the sweep; also of its folder under runs/."),
        ),
        **_trial_fields(),
        "space": (_space(), Field(description="What is searched.")),
        "first": (
            list[point],
            Field(default=[], description="Points tried before the sampler's own."),
        ),
        **_aim_fields(),
        **_search_fields(),
    }
    summary = "A deft-sweeps search space."
    return create_model("Sweep", __base__=Shape, __doc__=summary, **model_fields)


Sweep = _sweep()


def given_or_default(data: Mapping[str, Any], key: str) -> Any:
    """The value of a top-level key, or its default."""
    return data[key] if key in data else Sweep.model_fields[key].default


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a sweep's YAML, for editors; it does not check ranges."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **Sweep.model_json_schema()}
