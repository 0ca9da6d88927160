"""Every model family: registered, complete, and true of the real model that it describes."""

import ast
import inspect
import subprocess
import sys
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig

import deft_sweeps
from deft_sweeps.config.axes import PrefixTuning
from deft_sweeps.config.compat import shape_problems
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models import families
from deft_sweeps.models.families import FAMILIES, FROM_FAMILY, PUBLISHED_CONFIGS, Layout, layout
from deft_sweeps.models.family import Family
from deft_sweeps.projection.trial_estimate import estimate
from tests.tiny import HEAD_FAMILIES, TINY_FAMILIES

MODULES = [f"{families.__name__}.{module.name}" for module in iter_modules(families.__path__)]
DECLARED = [import_module(name).FAMILY for name in MODULES]
EACH = pytest.mark.parametrize("family", DECLARED, ids=lambda family: family.model_type)


def real_model(family: Family) -> tuple[Any, Any]:
    """The smallest published model, without weights, and its layout."""
    sizes = [layout({**config}) for config in family.published.values()]
    smallest = min(range(len(sizes)), key=lambda i: sizes[i].n_parameters)
    config = list(family.published.values())[smallest]
    with torch.device("meta"):
        made = getattr(transformers, family.auto_class).from_config(
            AutoConfig.for_model(**config),
            **family.load_options,
        )
    return made, sizes[smallest]


def test_every_module_is_registered_under_its_own_name() -> None:
    assert {family.model_type: family for family in DECLARED} == FAMILIES
    assert len(DECLARED) == len(FAMILIES) >= 3


def test_no_part_can_be_forgotten() -> None:
    parts = {part.name: getattr(DECLARED[0], part.name) for part in fields(Family)}
    for name in parts:
        with pytest.raises(TypeError, match=name):
            Family(**{part: value for part, value in parts.items() if part != name})
    documented = Family.__doc__ or ""
    assert [name for name in parts if f" {name}: " not in documented] == []


def test_a_part_of_a_layout_is_copied_from_the_family_or_stated_by_it() -> None:
    """A default of `Layout` is either overwritten or what the model without that part has."""
    defaults = {part.name for part in fields(Layout) if part.default is not MISSING}
    assert defaults == FROM_FAMILY | {"pooler", "first_position", "n_positions"}


@EACH
def test_published_checkpoints_can_be_planned(family: Family) -> None:
    assert family.published
    for name, config in family.published.items():
        assert PUBLISHED_CONFIGS[name] == config
        shape = layout(config)
        assert shape.family == family.model_type
        for part in FROM_FAMILY:
            assert getattr(shape, part) == getattr(family, part)
        projection = estimate(TrialConfig(model=name), shape, Evaluation(), 1e9)
        assert projection.peak.evaluate > family.evaluate_runtime_bytes > 0


@EACH
def test_the_layout_is_that_of_the_real_model(family: Family) -> None:
    model, shape = real_model(family)
    embeddings = {id(model.get_input_embeddings().weight)}
    if family.text is not None:
        embeddings.add(id(model.get_output_embeddings().weight))
    rest = {id(p): p.numel() for p in model.parameters() if id(p) not in embeddings}
    assert sum(rest.values()) == shape.linear_parameters + shape.other_parameters
    for linear in shape.linears:
        module = model.get_submodule(linear.name)
        sizes = (module.in_features, module.out_features, module.bias is not None)
        assert sizes == (linear.in_features, linear.out_features, linear.bias)
    for block in shape.blocks:
        inside = [linear.name for linear in block.linears]
        assert all(name.startswith(f"{block.name}.") for name in [*inside, block.activation])
        for path in (block.name, block.mlp, block.activation, block.residual):
            model.get_submodule(path)
    if shape.pooler is not None:
        assert model.get_submodule(shape.pooler).in_features == shape.d_model
    assert shape.n_heads == model.config.num_attention_heads
    assert set(family.int8_excluded) <= {linear.role for linear in shape.linears}


@EACH
def test_the_model_takes_what_its_family_says(family: Family) -> None:
    model, shape = real_model(family)
    taken = inspect.signature(type(model).forward).parameters
    assert {"input_ids", "attention_mask"} <= set(family.model_inputs) <= set(taken)
    segmented = getattr(model.config, "type_vocab_size", 1) > 1
    assert ("token_type_ids" in family.model_inputs) == segmented
    assert (family.prefix_stack in shape.stacks) == ("past_key_values" in taken)
    refused = shape_problems(TrialConfig(peft=PrefixTuning()), shape)
    assert bool(refused) == (family.prefix_stack is None)


@EACH
def test_it_answers_in_one_way(family: Family) -> None:
    assert (family.head is None) != (family.text is None)
    assert family.form == ("text-to-text" if family.head is None else "head")
    shape = layout(next(iter(family.published.values())))
    assert (family.head_parameters(shape, 3) > 0) == (family.head is not None)


def test_every_family_with_a_head_is_trained_by_the_tests() -> None:
    assert set(TINY_FAMILIES) == set(HEAD_FAMILIES)


def test_families_are_described_without_torch() -> None:
    code = f"import sys, {families.__name__} as _; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_the_families_know_their_names() -> None:
    """What differs by family is a part of the family, not a comparison with its name."""
    package = Path(deft_sweeps.__file__).parent
    compared = []
    for path in package.rglob("*.py"):
        if path.parent.name == "families":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.comparators if isinstance(node, ast.Compare) else []
            values = [*parts, node.value] if isinstance(node, ast.MatchValue) else parts
            names = [value for value in values if isinstance(value, ast.Constant)]
            compared += [f"{path}:{value.lineno}" for value in names if value.value in FAMILIES]
            if isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                compared += [f"{path}:{node.lineno}"] if name == "has_decoder" else []
    assert compared == []
