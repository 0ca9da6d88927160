"""Every combination of axis members that is declared legal really prunes, quantizes, trains and
evaluates; every other is refused.

The loss before the first step must be the base's wherever the method starts as the identity: that
is what exposes a method that runs and is silently wrong. Members come from the unions themselves,
so a new one is tested from the day it is added. Each run has every pair of members; the whole
product is marked slow.
"""

from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest

from deft_sweeps.config.axes import (
    Activation,
    AdaDeft,
    AdaLora,
    Density,
    DensityLoss,
    Dtype,
    Ia3,
    NoPruning,
    Peft,
    PrefixTuning,
    PromptTuning,
    Pruning,
    PTuning,
    Quantization,
    Training,
    Vera,
)
from deft_sweeps.config.compat import illegal, shape_problems
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.families import layout
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.yaml_schema import members as members_by_name
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.conformance.axis_settings import STEPS, members, name_of
from tests.conformance.covering import all_combinations, covering, pairs

RATES: dict[type[Any], float] = {
    Ia3: 0.1,
    Vera: 0.1,
    PrefixTuning: 0.1,
    PromptTuning: 0.05,
    PTuning: 0.05,
}
"""Learning rates under which a few steps show something; 0.02 for every other method."""


AXES = {
    axis: members(union)
    for axis, union in {
        "activation": Activation,
        "peft": Peft,
        "density": Density,
        "quantization": Quantization,
        "pruning": Pruning,
        "dtype": Dtype,
    }.items()
}
TRAINING = Training(steps=5, batch_size=12, learning_rate=2e-2, warmup_share=0.0)
ALL = all_combinations(AXES)
LEGAL = [c for c in ALL if illegal(TrialConfig(training=TRAINING, **c)) is None]
ILLEGAL = [c for c in ALL if c not in LEGAL]
PAIRWISE = covering(LEGAL)


def in_order_of_bases(combinations: list[Any]) -> list[Any]:
    """Those that share a frozen base next to each other, so that it is built once."""
    return sorted(
        combinations,
        key=lambda c: [
            repr(c[axis]) for axis in ("quantization", "pruning", "activation", "dtype")
        ],
    )


@pytest.fixture(scope="module")
def starter() -> TorchTrialStarter:
    return TorchTrialStarterFactory(
        Evaluation(
            thresholds=(0.0, 0.05), objective_threshold=0.05, batch_size=20, latency_repeats=1
        ),
        n_bases=1,
    )()


def one_batch(config: TrialConfig) -> FileTask:
    """Twelve examples to train on, so that every step sees the same ones and the losses compare."""
    assert isinstance(config.task, FileTask)
    return replace(config.task, splits=replace(config.task.splits, train=12))


def test_there_is_something_of_everything() -> None:
    assert all(len(axis) >= 2 for axis in AXES.values())


def test_every_pair_that_is_legal_somewhere_is_run() -> None:
    assert set().union(*map(pairs, PAIRWISE)) == set().union(*map(pairs, LEGAL))
    assert len(PAIRWISE) < len(LEGAL) / 4


def check_that_it_works(
    combination: dict[str, Any], starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    rate = RATES.get(type(combination["peft"]), TRAINING.learning_rate)
    n_steps = STEPS.get(type(combination["peft"]), TRAINING.steps)
    config = replace(
        tiny_config,
        training=replace(TRAINING, learning_rate=rate, steps=n_steps),
        task=one_batch(tiny_config),
        **combination,
    )
    assert illegal(config) is None
    data = starter.data(config)
    base = starter.base(config, data)
    assert shape_problems(config, base.layout) == []
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    attached = starter.measurer.evaluator(run.trial_model, data, "validation").point(0.0)
    untouched, gates = base.fork()
    base_point = starter.measurer.evaluator(
        replace(run.trial_model, model=untouched, gates=gates), data, "validation"
    ).point(0.0)
    if config.peft.starts_as_identity:
        assert attached.loss == pytest.approx(base_point.loss, rel=1e-4)
        assert attached.density.overall == pytest.approx(base_point.density.overall, abs=1e-3)
    else:
        assert attached.loss != base_point.loss
    steps = run.advance(n_steps).steps
    losses = [
        step.task_loss
        + (
            config.density.weight * step.density_loss
            if isinstance(config.density, DensityLoss)
            else 0
        )
        for step in steps
    ]
    assert fmean(losses[-n_steps // 3 :]) < losses[0]
    assert (steps[0].density_loss > 0) == (combination["density"].kind != "none")
    result = run.finish()
    assert result.status == "complete"
    assert result.cost is not None
    assert (result.cost.weight_sparsity > 0.4) == (not isinstance(config.pruning, NoPruning))


@pytest.mark.parametrize("combination", in_order_of_bases(PAIRWISE), ids=name_of)
def test_a_legal_combination_starts_at_the_bases_loss_learns_and_is_measured(
    combination: dict[str, Any], starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    check_that_it_works(combination, starter, tiny_config)


@pytest.mark.slow
@pytest.mark.parametrize(
    "combination", in_order_of_bases([c for c in LEGAL if c not in PAIRWISE]), ids=name_of
)
def test_every_other_legal_combination_does_so_too(
    combination: dict[str, Any], starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    check_that_it_works(combination, starter, tiny_config)


def test_what_is_illegal_is_refused_with_a_members_reason() -> None:
    assert ILLEGAL
    for combination in ILLEGAL:
        config = TrialConfig(training=TRAINING, **combination)
        reasons = [reason for member in config.members for reason in member.conflicts(config)]
        assert reasons
        assert illegal(config) == "; ".join(reasons)


def test_a_spec_excludes_what_is_illegal_before_anything_starts() -> None:
    spec = parse_spec(
        "name: x\nspace: {peft: [{lora: {dora: true}}, adapter], quantization: [int8,"
        " nf4]}\nbudget: {trials: 1}\n",
        "x.yaml",
    )
    assert len(spec.combinations) == 3
    (excluded,) = spec.excluded
    assert excluded.label.split()[1] == "lora"
    assert excluded.reason.startswith("DoRA needs")


def test_every_member_can_be_named_in_a_spec() -> None:
    for axis in ("peft", "quantization", "density", "pruning"):
        assert {member.kind for member in AXES[axis]} == set(members_by_name(axis))
    assert any(isinstance(density, DensityLoss) for density in AXES["density"])


# Each member of every other axis with block gates at least once, not each combination: what they
# change does not depend on the rest.
GATED = [
    {axis: of[i % len(of)] for axis, of in AXES.items()}
    for i in range(max(len(of) for of in AXES.values()))
]


@pytest.mark.parametrize("combination", GATED, ids=name_of)
def test_block_gates_start_open_and_blocks_go_with_every_member(
    combination: dict[str, Any], starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    training = replace(
        TRAINING, learning_rate=RATES.get(type(combination["peft"]), TRAINING.learning_rate)
    )
    # Gates that hardly move, so that the loss shows what the PEFT method learns on either side of
    # the skip.
    adaptive = AdaDeft(skip=1, travel=0.05)
    config = replace(
        tiny_config,
        training=training,
        task=one_batch(tiny_config),
        adaptive=adaptive,
        **combination,
    )
    data = starter.data(config)
    if isinstance(config.peft, AdaLora):
        assert "ADA-DEFT removes some" in (illegal(config) or "")
        return
    assert illegal(config) is None
    assert shape_problems(config, starter.base(config, data).layout) == []
    run, open_run = starter(config, 0), starter(replace(config, adaptive=TrialConfig().adaptive), 0)
    assert isinstance(run, TorchTrialRun)
    assert isinstance(open_run, TorchTrialRun)
    gated, plain = (
        starter.measurer.evaluator(each.trial_model, data, "validation").point(0.0)
        for each in (run, open_run)
    )
    assert gated == plain
    losses = [step.task_loss for step in run.advance(5).steps]
    if config.peft.starts_as_identity:
        # Virtual tokens move the loss too little for two steps to tell.
        assert losses[2] < losses[0]
        assert losses[4] < losses[3]
    result, whole = run.finish(), open_run.finish()
    assert len(result.skipped) == 1
    assert result.points[0].density.skipped == result.skipped
    assert result.cost is not None
    assert whole.cost is not None
    assert result.cost.weight_bytes < whole.cost.weight_bytes


def test_the_layout_is_of_the_model_that_is_loaded(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    base: Any = starter.base(tiny_config, starter.data(tiny_config))
    assert layout(base.model.config.to_dict()) == base.layout
