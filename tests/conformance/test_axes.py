"""Every combination of axis members that is declared legal really prunes, quantizes, trains and evaluates.

The loss before the first step must be the base's: that is what exposes a method that runs and is silently wrong. Members come from the
unions themselves, so a new one is tested from the day it is added.
"""

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from deft_sweeps.config.axes import (
    Activation,
    AdaDeft,
    Density,
    Lora,
    NoPruning,
    Peft,
    Pruning,
    Quantization,
    SparseGpt,
    Training,
    Unquantized,
    Wanda,
)
from deft_sweeps.config.compat import illegal
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits
from deft_sweeps.trial.run import Bench, BenchMaker, Run

SETTINGS: dict[type[Any], dict[str, Any]] = {
    Lora: {"r": 4, "targets": ("q", "v", "gate", "down")},
    Wanda: {"n_calibration": 8},
    SparseGpt: {"n_calibration": 8},
}
"""Where a member's own defaults do not fit a model of 32 hidden units."""


def members(union: Any) -> list[Any]:
    return [member(**SETTINGS.get(member, {})) if isinstance(member, type) else member for member in get_args(union)]


AXES = {
    axis: members(union)
    for axis, union in {
        "activation": Activation,
        "peft": Peft,
        "density": Density,
        "quantization": Quantization,
        "pruning": Pruning,
    }.items()
}
COMBINATIONS = [dict(zip(AXES, choice, strict=True)) for choice in product(*AXES.values())]


def name_of(combination: dict[str, Any]) -> str:
    return "-".join(getattr(member, "kind", member) for member in combination.values())


@pytest.fixture(scope="module")
def bench() -> Bench:
    return BenchMaker(Evaluation(thresholds=(0.0, 0.05), objective_threshold=0.05, batch_size=8, latency_repeats=1), n_bases=4)()


def one_batch(config: TrialConfig) -> FileTask:
    """Twelve examples to train on, so that every step sees the same ones and the losses compare."""
    assert isinstance(config.task, FileTask)
    return replace(config.task, splits=replace(config.task.splits, train=12))


def test_there_is_something_of_everything() -> None:
    assert all(len(axis) >= 2 for axis in AXES.values())


@pytest.mark.parametrize("combination", COMBINATIONS, ids=name_of)
def test_a_legal_combination_starts_at_the_bases_loss_learns_and_is_measured(
    combination: dict[str, Any], bench: Bench, tiny_config: TrialConfig
) -> None:
    dtype: Any = "fp32" if isinstance(combination["quantization"], Unquantized) else "bf16"
    training = Training(steps=5, batch_size=12, learning_rate=2e-2, warmup_share=0.0)
    config = replace(tiny_config, dtype=dtype, training=training, task=one_batch(tiny_config), **combination)
    assert illegal(config) is None
    data = bench.data(config)
    base = bench.base(config, data)
    assert misfits(config, base.layout) == []
    run = bench(config, 0)
    assert isinstance(run, Run)
    untouched, gates = base.fork()
    base_point = bench.evaluator(replace(run.built, model=untouched, gates=gates), data, "validation").point(0.0)
    attached = bench.evaluator(run.built, data, "validation").point(0.0)
    assert attached.loss == pytest.approx(base_point.loss, rel=1e-4)
    assert attached.density == base_point.density
    steps = run.advance(5).steps
    assert steps[-1].task_loss < steps[0].task_loss
    assert (steps[0].density_loss > 0) == (combination["density"].kind != "none")
    result = run.finish()
    assert result.status == "complete"
    assert result.cost is not None
    assert (result.cost.weight_sparsity > 0.4) == (not isinstance(config.pruning, NoPruning))


# Each member of every other axis with block gates at least once, not each combination: what they change does not depend on the rest.
GATED = [{axis: of[i % len(of)] for axis, of in AXES.items()} for i in range(max(len(of) for of in AXES.values()))]


@pytest.mark.parametrize("combination", GATED, ids=name_of)
def test_block_gates_start_open_and_blocks_go_with_every_member(
    combination: dict[str, Any], bench: Bench, tiny_config: TrialConfig
) -> None:
    dtype: Any = "fp32" if isinstance(combination["quantization"], Unquantized) else "bf16"
    training = Training(steps=5, batch_size=12, learning_rate=2e-2, warmup_share=0.0)
    # Gates that hardly move, so that the loss shows what the PEFT method learns on either side of the skip.
    adaptive = AdaDeft(skip=1, travel=0.05)
    config = replace(tiny_config, dtype=dtype, training=training, task=one_batch(tiny_config), adaptive=adaptive, **combination)
    data = bench.data(config)
    if reason := illegal(config) or "; ".join(misfits(config, bench.base(config, data).layout)):
        pytest.skip(reason)
    run, open_run = bench(config, 0), bench(replace(config, adaptive=TrialConfig().adaptive), 0)
    assert isinstance(run, Run)
    assert isinstance(open_run, Run)
    gated, plain = (bench.evaluator(each.built, data, "validation").point(0.0) for each in (run, open_run))
    assert gated == plain
    losses = [step.task_loss for step in run.advance(5).steps]
    assert losses[2] < losses[0]
    assert losses[4] < losses[3]
    result, whole = run.finish(), open_run.finish()
    assert len(result.skipped) == 1
    assert result.points[0].density.skipped == result.skipped
    assert result.cost is not None
    assert whole.cost is not None
    assert result.cost.weight_bytes < whole.cost.weight_bytes


def test_the_layout_is_of_the_model_that_is_loaded(bench: Bench, tiny_config: TrialConfig) -> None:
    base: Any = bench.base(tiny_config, bench.data(tiny_config))
    assert layout(base.model.config.to_dict()) == base.layout
