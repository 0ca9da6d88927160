"""ADA-DEFT in a trial: both phases, checkpoints in each, saved weights, and what is measured after
the hard skip.
"""

from dataclasses import replace
from typing import Any

import pytest
import safetensors.torch
import torch

from deft_sweeps.axes.density_meter import skipped_blocks
from deft_sweeps.config.axes import AdaDeft, Adapter, DensityLoss, Lora, Nf4, Role, Training, Wanda
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.result import CompleteTrial, SkippedBlocks, read_result
from deft_sweeps.tasks.batches import collate
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.evaluate import evaluating
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.whole_trial import run_trial

TARGETS: tuple[Role, ...] = ("q", "v", "gate", "down")
DEFT = DensityLoss(weight=1.0, eps=1e-2)
# With so little travel no gate closes, so that exactly two blocks go.
ADA = AdaDeft(skip=2, weight=0.5, travel=0.4, recover_share=0.5)


def short(config: TrialConfig, **changes: Any) -> TrialConfig:
    settings = {
        "peft": Lora(r=4, targets=TARGETS, dropout=0.2),
        "density": DEFT,
        "activation": "relu",
        "adaptive": ADA,
        "training": Training(steps=6, batch_size=6, learning_rate=1e-2),
        **changes,
    }
    return replace(config, **settings)


def start(
    starter: TorchTrialStarter, config: TrialConfig, state: bytes | None = None, seed: int = 0
) -> TorchTrialRun:
    run = starter(config, seed, state)
    assert isinstance(run, TorchTrialRun)
    return run


def trained(run: TorchTrialRun) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in run.trial_model.trained.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def without_times(result: CompleteTrial) -> CompleteTrial:
    return replace(result, cost=None, started_at=0.0, finished_at=0.0)


def logits(starter: TorchTrialStarter, run: TorchTrialRun) -> torch.Tensor:
    rows = [run.data.validation[i] for i in range(8)]
    inputs, _ = model_inputs(
        collate(rows, run.data.class_ids, run.trial_model.base.pad_id), starter.device
    )
    with torch.no_grad(), evaluating(run.trial_model.model):
        out: torch.Tensor = run.trial_model.model(**inputs).logits
    return out


def test_blocks_go_at_the_end_of_the_first_phase_and_the_rest_trains_on(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    run = start(starter, short(tiny_config))
    assert run.trial_model.blocks is not None
    names = set(run.trial_model.trained)
    run.advance(2)
    assert len(run.trial_model.blocks.removed) == 0
    assert set(run.trial_model.trained) == names
    run.advance(1)
    assert len(skipped_blocks(run.trial_model.gates)) == 2
    assert set(run.trial_model.trained) < names
    gates, before = run.trial_model.blocks.values(), trained(run)
    run.advance(3)
    assert run.trial_model.blocks.values() == gates
    moved = {name for name, value in trained(run).items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if "block_gate" not in name}
    held = {id(parameter) for group in run.optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in run.trial_model.peft_parameters}
    assert {id(parameter) for parameter in run.optimizer.state} == held


def test_steps_do_not_depend_on_how_they_are_cut(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    whole = start(starter, short(tiny_config))
    steps = whole.advance(6).steps
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    again = start(starter, short(tiny_config))
    assert steps == tuple(step for n in (2, 3, 5) for step in again.advance(n).steps)
    assert same(trained(whole), trained(again))


@pytest.mark.parametrize("peft", [Lora(r=4, targets=TARGETS, dropout=0.2), Adapter(reduction=4)])
@pytest.mark.parametrize("cut", [2, 3, 5, 6])
def test_a_checkpoint_of_either_phase_goes_on_exactly(
    starter: TorchTrialStarter, tiny_config: TrialConfig, cut: int, peft: Any
) -> None:
    """Cut in the soft phase, just after the hard skip, in the recovery, and at the end."""
    config = short(tiny_config, peft=peft)
    straight = start(starter, config)
    straight.advance(6)
    first = start(starter, config)
    first.advance(cut)
    state = first.state()
    torch.rand(100)
    resumed = start(starter, config, state)
    assert resumed.advance(10).step == 6
    assert same(trained(straight), trained(resumed))
    assert without_times(straight.finish()) == without_times(resumed.finish())


def test_the_same_seed_gives_the_same_result(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    first, again = (run_trial(starter, short(tiny_config), 3) for _ in range(2))
    assert without_times(first) == without_times(again)


def test_first_steps_losses_are_those_of_deft(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """All gates are open then: the same losses, and the same gradient norm of the adapters, bit for
    bit.
    """
    ada, deft = (
        start(starter, short(tiny_config)),
        start(starter, replace(short(tiny_config), adaptive=TrialConfig().adaptive)),
    )
    torch.manual_seed(5)
    first = ada.advance(1).steps
    torch.manual_seed(5)
    assert first == deft.advance(1).steps


def test_accumulated_micro_batches_add_up(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """The gates' own share of the loss counts once a step, not once a micro-batch."""
    runs = []
    for n in (1, 3):
        training = Training(steps=6, batch_size=6, learning_rate=1e-2, accumulation=n)
        run = start(starter, short(tiny_config, peft=Lora(r=4, targets=TARGETS), training=training))
        run.advance(2)
        assert run.trial_model.blocks is not None
        runs.append(run.trial_model.blocks.values())
    assert runs[0].encoder == pytest.approx(runs[1].encoder, abs=2e-3)
    assert runs[0].decoder == pytest.approx(runs[1].decoder, abs=2e-3)


def test_a_weight_closes_gates_by_itself_as_far_as_they_travel_and_one_block_stays(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    def gates(weight: float, travel: float) -> tuple[CompleteTrial, list[float]]:
        adaptive = AdaDeft(weight=weight, travel=travel, recover_share=0.0)
        result = run_trial(
            starter, short(tiny_config, density=TrialConfig().density, adaptive=adaptive), 0
        )
        assert result.block_gates is not None
        return result, [*result.block_gates.encoder, *result.block_gates.decoder]

    light, heavy = gates(1e-6, 0.4)[1], gates(1e6, 0.4)[1]
    assert heavy == pytest.approx([0.6] * 5, abs=1e-3)
    assert sum(light) > sum(heavy) + 0.05
    closed, values = gates(1e6, 3.0)
    assert sorted(values) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert len(closed.skipped) == 4
    assert closed.points[0].density.overall == pytest.approx(
        closed.points[0].density.of_kept_blocks / 5
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"peft": Adapter(reduction=4)},
        {"quantization": Nf4(), "dtype": "bf16"},
        {"pruning": Wanda()},
    ],
)
def test_saved_weights_bring_back_the_skip_and_hold_nothing_of_it(
    starter: TorchTrialStarter, tiny_config: TrialConfig, changes: Any
) -> None:
    config = short(tiny_config, **changes)
    run = start(starter, config)
    full = start(starter, config, seed=1)
    n_all = len(full.trial_model.trained)
    run.advance(6)
    weights = run.weights()
    assert run.trial_model.blocks is not None
    gone = [
        full.trial_model.base.layout.blocks[number].mlp for number in run.trial_model.blocks.removed
    ]
    held = safetensors.torch.load(weights)
    assert len(held) < n_all
    assert not [name for name in held for prefix in gone if f"{prefix}." in name]
    full.trial_model.load(weights)
    assert full.trial_model.blocks is not None
    assert full.trial_model.blocks.removed == run.trial_model.blocks.removed
    assert full.trial_model.blocks.values() == run.trial_model.blocks.values()
    assert same(trained(full), trained(run))
    assert torch.equal(logits(starter, full), logits(starter, run))
    full.trial_model.load(weights)
    assert same(trained(full), trained(run))


def test_weights_without_gates_or_with_other_blocks_are_refused_and_change_nothing(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    run = start(starter, short(tiny_config))
    plain = start(starter, replace(short(tiny_config), adaptive=TrialConfig().adaptive))
    names = [name for name, _ in run.trial_model.model.named_modules()]
    with pytest.raises(ValueError, match="another configuration"):
        run.trial_model.load(plain.weights())
    assert [name for name, _ in run.trial_model.model.named_modules()] == names
    whole = run.weights()
    run.advance(6)
    with pytest.raises(ValueError, match="another configuration"):
        run.trial_model.load(whole)
    with pytest.raises(ValueError, match="block gates"):
        plain.trial_model.remove([0])


def test_the_result_says_what_was_skipped_and_measures_the_smaller_model(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = short(tiny_config, pruning=Wanda())
    made, whole = (
        run_trial(starter, config, 0),
        run_trial(starter, replace(config, adaptive=TrialConfig().adaptive), 0),
    )
    assert made.block_gates is not None
    assert made.cost is not None
    assert whole.cost is not None
    n = len(made.skipped)
    assert n == 2
    assert [i for i, gate in enumerate(made.block_gates.encoder) if gate == 0] == list(
        made.skipped.encoder
    )
    assert [i for i, gate in enumerate(made.block_gates.decoder) if gate == 0] == list(
        made.skipped.decoder
    )
    assert all(point.density.skipped == made.skipped for point in made.points)
    assert made.exact_density is not None
    assert made.exact_density.skipped == made.skipped
    mlp = 3 * 32 * 48 + 32
    lora = 4 * (32 + 48) * 2
    assert whole.cost.weight_bytes - made.cost.weight_bytes == 4 * (n * (mlp + lora) - (5 - n))
    assert whole.cost.total_parameters - made.cost.total_parameters == n * (mlp + lora) - (5 - n)
    assert whole.cost.weight_sparsity == pytest.approx(made.cost.weight_sparsity, abs=0.01)
    assert read_result(made.to_json()) == made
    assert whole.skipped == SkippedBlocks()
    assert whole.block_gates is None


def test_the_base_keeps_every_block(starter: TorchTrialStarter, tiny_config: TrialConfig) -> None:
    config = short(tiny_config, quantization=Nf4())
    base = starter.base(config, starter.data(config))
    names = [name for name, _ in base.model.named_parameters()]
    assert len(run_trial(starter, config, 0).skipped) == 2
    assert starter.base(config, starter.data(config)) is base
    assert [name for name, _ in base.model.named_parameters()] == names
    assert not any(at.gate.skipped for at in base.fork()[1])


def test_the_final_measurement_is_of_the_skipped_model(tiny_config: TrialConfig) -> None:
    factory = TorchTrialStarterFactory(
        Evaluation(thresholds=(0.0,), objective_threshold=0.0, batch_size=8, latency_repeats=1),
        label="measured",
    )
    config = short(tiny_config)
    run = start(factory(), config)
    run.advance(6)
    weights, result = run.weights(), run.finish()
    final = measure_final(FinalJob("chosen", config, 0, weights, threshold=0.0), factory)
    assert result.cost is not None
    assert final.point.density.skipped == result.skipped
    assert final.cost.weight_bytes == result.cost.weight_bytes
