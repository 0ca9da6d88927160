"""The YAML's shape follows the dataclasses: nothing is listed twice."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest
from ruamel.yaml import YAML

from deft_sweeps.config import axes
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.setting_model import attribute_docs, settings_model
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.yaml_schema import AXES, json_schema, members

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
EVERY_MEMBER = [(axis, name, of) for axis in AXES for name, of in members(axis).items()]


def data_of(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


def test_every_field_of_a_configuration_is_set_once_or_an_axis() -> None:
    properties = (
        json_schema()["properties"].keys() | json_schema()["$defs"]["Space"]["properties"].keys()
    )
    assert {f.name for f in fields(TrialConfig)} <= properties


def test_members_are_those_of_the_unions() -> None:
    assert list(members("pruning").values()) == list(get_args(axes.Pruning))
    assert list(members("activation")) == list(get_args(axes.Activation))
    assert members("training") == {}


@pytest.mark.parametrize(("axis", "name", "of"), EVERY_MEMBER)
def test_every_member_and_every_setting_of_it(
    axis: str, name: str, of: type[object] | None
) -> None:
    entries = [name]
    if of is not None:
        entries += ["{" + name + ": {}}"]
        hints: dict[str, Any] = get_type_hints(of)
        for field in fields(of):  # type: ignore[arg-type]
            setting, hint, default = field.name, hints[field.name], field.default
            if setting != "kind":
                written = (
                    "null"
                    if default is None
                    else str(list(default))
                    if isinstance(default, tuple)
                    else str(default).lower()
                )
                entries.append(f"{{{name}: {{{setting}: {written}}}}}")
                entries.append(f"{{{name}: {{{setting}: {{choice: [{written}]}}}}}}")
            if hint in (int, float) and setting not in (
                "beta",
                "eps_anneal",
            ):  # which the default surrogate and schedule do not take
                entries.append(
                    f"{{{name}: {{{setting}: {{low: 0.25, high: 0.5}}}}}}"
                    if hint is float
                    else f"{{{name}: {{{setting}: {{low: 2, high: 4}}}}}}"
                )
    for entry in entries:
        text = f"name: x\nspace: {{{axis}: [{entry}]}}\nbudget: {{trials: 1}}\n"
        VALIDATOR.validate(data_of(text))
        spec = parse_spec(text, "x.yaml")
        value = getattr(spec.combinations[0].template, axis)
        assert (value if of is None else type(value)) == (name if of is None else of), entry


@pytest.mark.parametrize(
    "text",
    [
        "name: x\nspace: {actvation: [relu]}\nbudget: {trials: 1}\n",
        "name: x\nspace: {peft: [{lora: {rank: 3}}]}\nbudget: {trials: 1}\n",
        "name: x\nspace: {peft: [lroa]}\nbudget: {trials: 1}\n",
        "name: x\nspace: {}\nbudgets: {trials: 1}\n",
        "name: x\nspace: {}\nbudget: {trials: 1.5}\n",
        "name: x\nspace: {training: {steps: {low: 1}}}\nbudget: {trials: 1}\n",
        "name: x\nspace: {}\nbudget: {trials: 1}\ntask: {kind: files, pth: x.csv}\n",
    ],
)
def test_schema_rejects_what_the_loader_rejects(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data_of(text))
    with pytest.raises(ValueError, match="expected"):
        parse_spec(text, "x.yaml")


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "of",
    [of for _, _, of in EVERY_MEMBER if of is not None and len(fields(of)) > 1] + [axes.Training],
)
def test_every_setting_is_described(of: Any) -> None:
    described = {
        name: field.description
        for name, field in settings_model(of, searched=True).model_fields.items()
    }
    assert all(described.values()), described


def test_attribute_docs_reads_shared_and_long_entries() -> None:
    class Example:
        """One.

        Attributes:
            a, b: first
                goes on: here.
            c: last.
        """

    assert attribute_docs(Example) == {
        "a": "first goes on: here.",
        "b": "first goes on: here.",
        "c": "last.",
    }
