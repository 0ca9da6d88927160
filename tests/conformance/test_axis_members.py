"""Every member of every axis brings all of its parts: settings, label, counts, conflicts, torch
verb.

The walk begins at the modules, not at the unions, so that a member whose line of registration is
missing fails here too.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any, get_args

import jsonschema
import pytest
import safetensors.torch
import torch

import deft_sweeps.axes
import deft_sweeps.config.axes
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.axes import (
    ActivationMember,
    Adaptive,
    AxisMember,
    Density,
    Magnitude,
    Peft,
    Pruning,
    Quantization,
)
from deft_sweeps.config.axes.activation.gate_activation import GateActivation
from deft_sweeps.config.axes.adaptive.block_skipping import BlockSkipping
from deft_sweeps.config.axes.density.gate_penalty import GatePenalty
from deft_sweeps.config.axes.peft.method import PeftMethod
from deft_sweeps.config.axes.pruning.weight_pruning import WeightPruning
from deft_sweeps.config.axes.quantization.packing import Packing
from deft_sweeps.config.compat import illegal, shape_problems
from deft_sweeps.config.label import label
from deft_sweeps.config.trial import Evaluation, TrialConfig, codec
from deft_sweeps.errors import ConfigError
from deft_sweeps.projection.trial_estimate import (
    estimate,
    frozen_additions,
    trainable_parameters,
    weight_bytes,
)
from deft_sweeps.specification.setting_model import attribute_docs
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.yaml_schema import json_schema
from deft_sweeps.specification.yaml_schema import members as members_by_name
from deft_sweeps.trial.base import BaseKey
from deft_sweeps.trial.build import build
from deft_sweeps.trial.cost import tensor_bytes
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.conformance.axis_settings import members, name_of
from tests.tiny import layout_of, tiny_encoder, tiny_t5

UNIONS: dict[str, tuple[Any, type[AxisMember]]] = {
    "peft": (Peft, PeftMethod),
    "activation": (ActivationMember, GateActivation),
    "density": (Density, GatePenalty),
    "adaptive": (Adaptive, BlockSkipping),
    "quantization": (Quantization, Packing),
    "pruning": (Pruning, WeightPruning),
}
REGISTERED = [(axis, member) for axis, (union, _) in UNIONS.items() for member in get_args(union)]
WITH_SETTINGS = [(axis, member) for axis, (union, _) in UNIONS.items() for member in members(union)]
each_member = pytest.mark.parametrize(
    ("axis", "member"), REGISTERED, ids=lambda value: getattr(value, "__name__", value)
)
each_variant = pytest.mark.parametrize(
    ("axis", "member"),
    WITH_SETTINGS,
    ids=lambda value: value if isinstance(value, str) else name_of({"member": value}),
)


def modules_below(package: ModuleType) -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [importlib.import_module(name) for name in names]


def value_of(axis: str, member: Any) -> Any:
    """As a configuration holds it: an activation by its name."""
    return member.kind if axis == "activation" else member


def config_with(config: TrialConfig, axis: str, member: Any) -> TrialConfig:
    config = replace(config, **{axis: value_of(axis, member)})
    # A masked update keeps zeros that some pruning made.
    return replace(config, pruning=Magnitude()) if getattr(member, "masked", False) else config


@pytest.fixture(scope="module")
def starter() -> TorchTrialStarter:
    return TorchTrialStarterFactory(Evaluation(), n_bases=1)()


def test_every_class_with_a_kind_stands_in_a_union_once() -> None:
    defined = {
        value
        for module in modules_below(deft_sweeps.config.axes)
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and dataclasses.is_dataclass(value)
        if "kind" in {f.name for f in dataclasses.fields(value)}
    }
    registered = [member for _, member in REGISTERED]
    assert defined == set(registered)
    assert len(registered) == len(set(registered))


def test_every_axis_of_named_members_is_walked() -> None:
    named = {
        f.name
        for f in dataclasses.fields(TrialConfig)
        if f.name != "task" and members_by_name_or_none(f.name)
    }
    assert named == set(UNIONS)
    assert {type(member) for member in TrialConfig().members} <= {
        member for _, member in REGISTERED
    }
    assert len(TrialConfig().members) == len(UNIONS)


def members_by_name_or_none(axis: str) -> Any:
    try:
        return members_by_name(axis)
    except KeyError:
        return None


@each_member
def test_a_member_has_every_part(axis: str, member: Any) -> None:
    assert issubclass(member, UNIONS[axis][1])
    assert not inspect.isabstract(member), "a part is missing"
    made = member()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.kind = "other"
    assert isinstance(made.torch_verb, str)
    assert made.label or made.is_none or axis == "activation"
    assert member.__doc__
    settings = {f.name for f in dataclasses.fields(member)} - {"kind"}
    assert attribute_docs(member).keys() == settings, "each setting is described once"
    same_axis = [other for of, other in REGISTERED if of == axis]
    assert [other().kind for other in same_axis].count(made.kind) == 1
    assert [other().label for other in same_axis].count(made.label) == 1


@each_member
def test_a_member_is_in_the_yaml_and_in_its_schema(axis: str, member: Any) -> None:
    kind = member().kind
    assert members_by_name(axis)[kind] in (member, None)
    text = f"name: x\nspace: {{{axis}: [{kind}]}}\nbudget: {{trials: 1}}\n"
    spec = {"name": "x", "space": {axis: [kind]}, "budget": {"trials": 1}}
    jsonschema.Draft202012Validator(json_schema()).validate(spec)
    if illegal(replace(TrialConfig(), **{axis: value_of(axis, member())})) is None:
        (combination,) = parse_spec(text, "x.yaml").combinations
        assert getattr(combination.template, axis) == value_of(axis, member())


@each_member
def test_a_member_names_a_torch_verb_unless_it_changes_nothing(axis: str, member: Any) -> None:
    made = member()
    if made.is_none:
        assert made.kind == "none"
        with pytest.raises(ValueError, match="changes nothing"):
            verb(made)
        return
    assert made.torch_verb.startswith(f"{deft_sweeps.axes.__name__}.{axis}")
    assert callable(verb(made))


def test_no_light_module_loads_a_heavy_library() -> None:
    names = [module.__name__ for module in modules_below(deft_sweeps.config.axes)]
    heavy = ("torch", "transformers", "peft", "ray", "optuna")
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@each_variant
def test_counts_are_those_of_torch(
    axis: str, member: Any, starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = config_with(tiny_config, axis, member)
    assert illegal(config) is None
    base = starter.base(config, starter.data(config))
    assert shape_problems(config, base.layout) == []
    built = build(base, config, 0)
    assert sum(p.numel() for p in built.trained.values()) == trainable_parameters(
        config, base.layout
    )
    saved = safetensors.torch.load(built.save())
    assert sum(tensor.numel() for tensor in saved.values()) == sum(
        m.n_trained(base.layout) for m in config.members
    )
    # Scales of tiny layers are padded.
    assert tensor_bytes(base.model) == pytest.approx(weight_bytes(config, base.layout), rel=0.05)
    of_base = {tensor.data_ptr() for tensor in (*base.model.parameters(), *base.model.buffers())}
    held = {
        tensor.data_ptr(): tensor for tensor in (*built.model.parameters(), *built.model.buffers())
    }
    # OFT holds whole numbers too, its places in a matrix.
    added = [
        tensor for at, tensor in held.items() if at not in of_base and tensor.is_floating_point()
    ]
    n_added = trainable_parameters(config, base.layout) + frozen_additions(config, base.layout)
    assert sum(tensor.numel() for tensor in added) == n_added
    assert (min(base.sparsity.values(), default=0.0) > 0.4) == (not config.pruning.is_none)


@pytest.mark.parametrize("method", members(Peft), ids=lambda method: name_of({"peft": method}))
def test_counts_of_a_method_on_an_encoder_are_those_of_torch(method: Any) -> None:
    model = tiny_encoder()
    layout = layout_of(model)
    config = TrialConfig(peft=method)
    if shape_problems(config, layout):
        return
    model.set_attn_implementation("eager")  # type: ignore[operator]
    attached = attach(model, layout, method)
    assert sum(p.numel() for p in trained_parameters(attached).values()) == method.n_trained(layout)


@each_variant
def test_only_what_needs_calibration_makes_the_base_depend_on_the_task(
    axis: str, member: Any
) -> None:
    config = config_with(TrialConfig(), axis, member)
    keys = [
        BaseKey.of(config, fingerprint, torch.device("cpu")) for fingerprint in ("one", "other")
    ]
    assert (keys[0] != keys[1]) == member.needs_calibration == (member.calibration_examples > 0)


@each_variant
def test_a_member_survives_json_and_is_projected(axis: str, member: Any) -> None:
    config = config_with(TrialConfig(), axis, member)
    read = codec(TrialConfig).validate_json(codec(TrialConfig).dump_json(config))
    assert read == config
    assert type(getattr(read, axis)) is type(getattr(config, axis))
    assert label(read).count(" · ") >= 2
    layout = layout_of(tiny_t5())
    for on_gpu in (False, True):
        assert estimate(config, layout, Evaluation(), 1e9, on_gpu=on_gpu).memory_bytes > 0


def test_an_activation_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"pretrained, relu.*got 'rleu'"):
        TrialConfig(activation="rleu")


def test_a_first_point_cannot_set_what_is_no_setting() -> None:
    text = (
        "name: x\nspace: {peft: [lora]}\nfirst: [{peft: {lora: {torch_verb: x}}}]\nbudget: {trials:"
        " 1}\n"
    )
    with pytest.raises(ConfigError, match="unknown key `torch_verb` of lora"):
        parse_spec(text, "x.yaml")
