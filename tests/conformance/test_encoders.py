"""Every member of every axis on encoders with a head: what is legal attaches as the identity,
learns and is measured.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from deft_sweeps.config.axes import (
    Activation,
    Adapter,
    Density,
    Magnitude,
    NoPruning,
    Peft,
    PrefixTuning,
    Pruning,
    Quantization,
    Training,
    Unquantized,
)
from deft_sweeps.config.compat import illegal, shape_problems
from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.families import family_of, layout
from deft_sweeps.trial.build import build
from deft_sweeps.trial.heads import Headed, HeadSpec, with_head
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.conformance.axis_settings import STEPS, members, name_of
from tests.tiny import HEAD_FAMILIES, save_tiny_encoder, write_reviews

AXES: dict[str, Any] = {
    "activation": Activation,
    "peft": Peft,
    "density": Density,
    "quantization": Quantization,
    "pruning": Pruning,
}
COMBINATIONS = [
    {"peft": peft, "quantization": quantization, "pruning": pruning}
    for peft, quantization, pruning in product(
        members(Peft), members(Quantization), members(Pruning)[:2]
    )
    if illegal(TrialConfig(peft=peft, quantization=quantization, pruning=pruning)) is None
]
"""Every method on every packed or pruned base that it may stand on."""

ENCODERS = [
    *((family, family, "gelu") for family in HEAD_FAMILIES),
    ("bert with relu", "bert", "relu"),
]

MEMBERS = [(axis, member) for axis, union in AXES.items() for member in members(union)]


@pytest.fixture(scope="module")
def starter() -> TorchTrialStarter:
    return TorchTrialStarterFactory(
        Evaluation(
            thresholds=(0.0, 0.05), objective_threshold=0.05, batch_size=8, latency_repeats=1
        ),
        n_bases=4,
    )()


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrialConfig]:
    folder: Path = tmp_path_factory.mktemp("encoders")
    reviews = write_reviews(folder / "reviews.csv")
    task = FileTask(
        path=str(reviews), max_input_tokens=16, splits=Splits(train=12, validation=20, test=20)
    )
    made = {}
    for name, family, hidden_act in ENCODERS:
        texts = [line.split(",")[0] for line in reviews.read_text().splitlines()]
        save_tiny_encoder(folder / name, family, texts, hidden_act)
        training = Training(steps=6, batch_size=12, learning_rate=1e-2, warmup_share=0.0)
        made[name] = TrialConfig(
            model=str(folder / name), task=task, dtype="fp32", training=training
        )
    return made


def test_there_is_something_of_everything() -> None:
    assert {axis for axis, _ in MEMBERS} == set(AXES)
    assert len(MEMBERS) >= sum(len(get_args(union)) for union in AXES.values())


# A checkpoint with ReLU of its own differs from GELU's in the gate alone: what does not look at
# that is run on it among the slow tests.
ON_EACH = [
    pytest.param(
        name,
        axis,
        member,
        id=f"{name}-{axis}-{getattr(member, 'kind', member)}",
        marks=[pytest.mark.slow]
        if name == "bert with relu" and axis not in ("activation", "density")
        else [],
    )
    for name, *_ in ENCODERS
    for axis, member in MEMBERS
]


@pytest.mark.parametrize(("name", "axis", "member"), ON_EACH)
def test_a_member_on_an_encoder(
    name: str, axis: str, member: Any, starter: TorchTrialStarter, configs: dict[str, TrialConfig]
) -> None:
    config = replace(configs[name], **{axis: member})
    # A masked update keeps zeros that some pruning made.
    check_that_it_works(
        replace(config, pruning=Magnitude()) if getattr(member, "masked", False) else config,
        starter,
    )


@pytest.mark.slow
@pytest.mark.parametrize("combination", COMBINATIONS, ids=name_of)
@pytest.mark.parametrize("name", HEAD_FAMILIES)
def test_a_combination_on_an_encoder(
    name: str,
    combination: dict[str, Any],
    starter: TorchTrialStarter,
    configs: dict[str, TrialConfig],
) -> None:
    check_that_it_works(replace(configs[name], **combination), starter)


def check_that_it_works(config: TrialConfig, starter: TorchTrialStarter) -> None:
    peft = config.peft
    n_steps = STEPS.get(type(peft), 6)
    config = replace(config, training=replace(config.training, steps=n_steps))
    if not isinstance(config.quantization, Unquantized):
        config = replace(config, dtype="bf16")
    assert illegal(config) is None
    data = starter.data(config)
    assert (data.form, data.kind) == ("head", "classification")
    base = starter.base(config, data)
    refused = shape_problems(config, base.layout)
    # A parallel adapter needs a module around the whole MLP, a prefix an attention that takes it.
    whole_mlp = not {block.mlp for block in base.layout.blocks} & {
        linear.name for linear in base.layout.linears
    }
    if isinstance(peft, Adapter) and peft.placement == "parallel" and not whole_mlp:
        assert "no module that holds one" in refused[0]
        return
    if isinstance(peft, PrefixTuning) and family_of(base.layout).prefix_stack is None:
        assert "take none" in refused[0]
        return
    assert refused == []
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    headed, spec = run.trial_model.model, HeadSpec.of(data)
    assert isinstance(headed, Headed)
    assert spec is not None
    untouched, gates = base.fork()
    plain = with_head(untouched, untouched, base.layout, spec)
    plain.out.load_state_dict(headed.out.state_dict())
    if plain.pooler is not None and headed.pooler is not None:
        plain.pooler.load_state_dict(headed.pooler.state_dict())
    expected = starter.measurer.evaluator(
        replace(run.trial_model, model=plain, gates=gates), data, "validation"
    ).point(0.0)
    attached = starter.measurer.evaluator(run.trial_model, data, "validation").point(0.0)
    if peft.starts_as_identity:
        # VeRA's and OFT's arithmetic rounds in bfloat16 even where it changes nothing.
        assert attached.loss == pytest.approx(
            expected.loss, rel=1e-4 if config.dtype == "fp32" else 1e-2
        )
        assert attached.density.overall == pytest.approx(expected.density.overall, abs=1e-3)
    else:
        assert attached.loss != expected.loss
    # The head learns too, so a falling loss alone would not show that the method does.
    before = {
        name: parameter.detach().clone()
        for name, parameter in run.trial_model.trained.items()
        if not name.startswith(("out.", "pooler."))
    }
    steps = run.advance(n_steps).steps
    assert any(
        not torch.equal(run.trial_model.trained[name], value) for name, value in before.items()
    )
    assert steps[-1].task_loss < steps[0].task_loss
    assert (steps[0].density_loss > 0) == (config.density.kind != "none")
    result = run.finish()
    assert result.status == "complete"
    assert result.points[0].density.decoder_blocks == ()
    assert result.cost is not None
    assert (result.cost.weight_sparsity > 0.4) == (not isinstance(config.pruning, NoPruning))
    again = build(base, config, 0, spec)
    again.load(run.weights())
    assert starter.measurer.evaluator(again, data, "validation").point(
        0.05
    ) == starter.measurer.evaluator(run.trial_model, data, "validation").point(0.05)
    assert layout(untouched.config.to_dict()) == base.layout  # type: ignore[union-attr,operator]
