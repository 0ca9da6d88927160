"""A trial from start to result on a tiny model: the same numbers every time, and nothing shared
that should not be.
"""

import math
import time
from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    DensityLoss,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    NoDensityLoss,
    Oft,
    PrefixTuning,
    PTuning,
    Quantization,
    Role,
    SparseGpt,
    Training,
    Unquantized,
    Vera,
    Wanda,
)
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.result import CompleteTrial, StepMetrics, read_result
from deft_sweeps.trial.base import BaseKey
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.whole_trial import run_trial

TARGETS: tuple[Role, ...] = ("q", "v", "gate", "down")
DEFT = DensityLoss(weight=1.0, eps=1e-2)


def short(config: TrialConfig, **changes: Any) -> TrialConfig:
    settings = {
        "peft": Lora(r=4, targets=TARGETS),
        "training": Training(steps=6, batch_size=6, learning_rate=1e-2),
        **changes,
    }
    return replace(config, **settings)


def trained(run: Any) -> dict[str, torch.Tensor]:
    assert isinstance(run, TorchTrialRun)
    return {name: parameter.detach().clone() for name, parameter in run.trial_model.trained.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def without_times(result: CompleteTrial) -> CompleteTrial:
    return replace(result, cost=None, started_at=0.0, finished_at=0.0)


def test_the_same_seed_gives_the_same_result_bit_for_bit(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = short(tiny_config, density=DEFT, peft=Lora(r=4, targets=TARGETS, dropout=0.2))
    first, again, other = (run_trial(starter, config, seed) for seed in (3, 3, 4))
    assert without_times(first) == without_times(again)
    assert without_times(first).points != without_times(other).points


def test_a_density_weight_that_vanishes_is_plain_peft_bit_for_bit(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """The probe itself must change nothing: with a weight too small to count, the same parameters
    come out.
    """
    plain = starter(short(tiny_config, density=NoDensityLoss()), 0)
    probed = starter(short(tiny_config, density=replace(DEFT, weight=1e-300)), 0)
    for run in (plain, probed):
        run.advance(6)
    assert same(trained(plain), trained(probed))


def test_the_density_loss_changes_what_is_trained_and_lowers_the_density(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    training = Training(steps=40, batch_size=6, learning_rate=2e-2)
    settings: dict[str, Any] = {"activation": "relu", "training": training}
    plain = run_trial(starter, short(tiny_config, **settings), 0)
    deft = run_trial(starter, short(tiny_config, density=replace(DEFT, weight=10.0), **settings), 0)
    assert deft.points[0].density.overall < 0.8 * plain.points[0].density.overall


def assert_same_step(a: StepMetrics, b: StepMetrics) -> None:
    """Losses agree to 1e-5. A ReLU's input within rounding of zero may gain or lose its gradient,
    which a model of this size shows in the fifth digit of the norm.
    """
    losses = (b.task_loss, b.density_loss)
    assert (a.task_loss, a.density_loss) == pytest.approx(losses, rel=1e-5)
    assert a.grad_norm == pytest.approx(b.grad_norm, rel=1e-4)


def test_accumulated_micro_batches_add_up_to_the_whole_batch(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """Examples differ in length, so a mean of means would not be the same."""
    whole = starter(short(tiny_config, density=DEFT, activation="relu"), 0)
    parts = starter(
        short(
            tiny_config,
            density=DEFT,
            activation="relu",
            training=Training(steps=6, batch_size=6, learning_rate=1e-2, accumulation=4),
        ),
        0,
    )
    (a, *later_a), (b, *later_b) = whole.advance(6).steps, parts.advance(6).steps
    assert_same_step(a, b)
    # Adam makes much of rounding where a gradient is nearly zero, so the paths part slowly.
    for x, y in zip(later_a, later_b, strict=True):
        assert (x.task_loss, x.density_loss) == pytest.approx(
            (y.task_loss, y.density_loss), rel=1e-2
        )


@pytest.mark.parametrize("n_micro_batches", [4, 6])
def test_a_trial_that_goes_on_in_smaller_micro_batches_takes_the_same_step(
    starter: TorchTrialStarter, tiny_config: TrialConfig, n_micro_batches: int
) -> None:
    """After two whole steps the checkpoint goes on split; weights of the third step are equal."""
    training = Training(steps=6, batch_size=6, learning_rate=1e-2)
    config = short(tiny_config, density=DEFT, activation="relu", training=training)
    whole = starter(config, 0)
    whole.advance(2)
    split = starter(config, 0, whole.state())
    split.split(n_micro_batches)
    (a,), (b,) = whole.advance(1).steps, split.advance(1).steps
    assert_same_step(a, b)
    result = split.finish()
    assert result.config.config_id == config.config_id
    assert result.provenance is not None
    assert result.provenance.n_micro_batches == n_micro_batches


def test_a_pause_between_two_parts_is_none_of_a_trials_time(
    starter: TorchTrialStarter, tiny_config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, now = short(tiny_config), time.time
    cut = starter(config, 0)
    cut.advance(4)
    began = now()
    state = cut.state()
    monkeypatch.setattr(time, "time", lambda: now() + 3 * 86400.0)
    resumed = starter(config, 0, state)
    assert isinstance(cut, TorchTrialRun)
    assert isinstance(resumed, TorchTrialRun)
    result = resumed.finish()
    assert (
        began - cut.started_at <= result.finished_at - result.started_at <= now() - cut.started_at
    )


@pytest.mark.parametrize(
    "peft",
    [
        Lora(r=4, targets=TARGETS, dropout=0.2),
        AdaLora(r=2, extra=2, targets=TARGETS, dropout=0.2, every=2),
        PTuning(hidden=8),
    ],
)
def test_a_trial_taken_up_from_its_checkpoint_ends_as_if_nothing_had_happened(
    starter: TorchTrialStarter, tiny_config: TrialConfig, peft: Any
) -> None:
    config = short(tiny_config, density=DEFT, peft=peft)
    straight = starter(config, 0)
    straight.advance(6)
    cut = starter(config, 0)
    cut.advance(4)
    state = cut.state()
    torch.rand(100)
    resumed = starter(config, 0, state)
    assert resumed.advance(10).step == 6
    assert same(trained(straight), trained(resumed))
    assert without_times(straight.finish()) == without_times(resumed.finish())


def test_schedules_go_on_where_they_stopped(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    scheduled = replace(DEFT, weight=5.0, weight_warmup=0.7, eps_start_factor=50.0, eps_anneal=1.0)
    config = short(tiny_config, density=scheduled, activation="relu")
    straight, cut, steady = (
        starter(config, 0),
        starter(config, 0),
        starter(short(tiny_config, density=DEFT, activation="relu"), 0),
    )
    whole = straight.advance(6).steps
    parts = cut.advance(3).steps + starter(config, 0, cut.state()).advance(3).steps
    assert [step.density_loss for step in parts] == [step.density_loss for step in whole]
    assert whole[0].density_loss < 0.9 * steady.advance(1).steps[0].density_loss


def test_the_first_encoder_block_has_plain_pefts_density_where_nothing_before_it_trains(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    """An adapter sits after the MLP, so no density loss reaches the first one."""
    training = Training(steps=20, batch_size=6, learning_rate=2e-2)
    plain, deft = (
        run_trial(
            starter,
            short(
                tiny_config,
                activation="relu",
                peft=Adapter(reduction=4),
                training=training,
                density=density,
            ),
            0,
        )
        for density in (NoDensityLoss(), replace(DEFT, weight=10.0))
    )
    for a, b in zip(plain.points, deft.points, strict=True):
        assert a.density.encoder_blocks[0] == b.density.encoder_blocks[0]
        assert a.density.encoder_blocks[1] != b.density.encoder_blocks[1]


def test_a_checkpoint_of_another_trial_is_refused(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    state = starter(short(tiny_config), 0).state()
    with pytest.raises(ValueError, match="cannot go on as"):
        starter(short(tiny_config), 1, state)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"quantization": Nf4(double=True), "dtype": "bf16"},
        {"quantization": Int8()},
        {"pruning": Wanda(sparsity=0.5)},
    ],
)
@pytest.mark.parametrize(
    "peft",
    [Lora(r=4, targets=TARGETS), AdaLora(targets=TARGETS), Adapter(reduction=4), PrefixTuning()],
)
def test_no_trial_writes_to_the_base(
    starter: TorchTrialStarter, tiny_config: TrialConfig, changes: Any, peft: Any
) -> None:
    config = short(tiny_config, density=DEFT, peft=peft, **changes)
    base = starter.base(config, starter.data(config))
    before = {
        name: tensor.clone()
        for name, tensor in base.model.state_dict().items()
        if isinstance(tensor, torch.Tensor)
    }
    names = [name for name, _ in base.model.named_modules()]
    run_trial(starter, config, 0)
    assert starter.base(config, starter.data(config)) is base
    assert [name for name, _ in base.model.named_modules()] == names
    after = base.model.state_dict()
    # Bit by bit: packed weights read as floats are full of NaN.
    changed = [
        name for name, tensor in before.items() if not torch.equal(bits(after[name]), bits(tensor))
    ]
    assert changed == []
    assert not any(parameter.requires_grad for parameter in base.model.parameters())


@pytest.mark.parametrize("quantization", [Unquantized(), Nf4()])
def test_a_pattern_with_a_masked_update_starts_at_the_base_and_learns(
    starter: TorchTrialStarter, tiny_config: TrialConfig, quantization: Quantization
) -> None:
    # More examples than one pass of the calibration takes.
    pruning = SparseGpt(pattern="2:4", n_calibration=40)
    config = short(
        tiny_config,
        peft=Lora(r=4, targets=TARGETS, masked=True),
        pruning=pruning,
        quantization=quantization,
    )
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    model, gates = run.trial_model.base.fork()
    start = starter.measurer.evaluator(run.trial_model, run.data, "validation").point(0.0)
    assert start.loss == pytest.approx(
        starter.measurer.evaluator(
            replace(run.trial_model, model=model, gates=gates), run.data, "validation"
        )
        .point(0.0)
        .loss
    )
    assert set(run.trial_model.base.sparsity.values()) == {0.5}
    run.advance(6)
    assert run.finish().points[0].loss < start.loss


@pytest.mark.parametrize("quantization", [Nf4(), Int8()])
def test_trials_share_the_bases_tensors(
    starter: TorchTrialStarter, tiny_config: TrialConfig, quantization: Any
) -> None:
    def held(model: torch.nn.Module) -> set[int]:
        states = [getattr(module, "state", None) for module in model.modules()]
        scales = [
            state.SCB for state in states if state is not None and not isinstance(state, dict)
        ]
        return {tensor.data_ptr() for tensor in (*model.parameters(), *scales)}

    config = short(tiny_config, quantization=quantization)
    base = starter.base(config, starter.data(config))
    assert held(base.fork()[0]) == held(base.model)
    run_trial(starter, config, 0)
    assert held(base.fork()[0]) == held(base.model)


@pytest.mark.parametrize(
    "peft",
    [
        Lora(r=4, targets=TARGETS, dora=True),
        Vera(r=8, targets=TARGETS),
        Oft(block=8, targets=TARGETS),
        PTuning(),
    ],
)
def test_a_method_and_its_seed_give_the_same_trial_again(
    starter: TorchTrialStarter, tiny_config: TrialConfig, peft: Any
) -> None:
    """What a method draws and does not train is not saved: it comes again from the seed."""
    config = short(
        tiny_config, peft=peft, training=Training(steps=2, batch_size=6, learning_rate=1e-2)
    )
    run = starter(config, 3)
    run.advance(2)
    assert isinstance(run, TorchTrialRun)
    torch.rand(100)
    again = starter(config, 3)
    assert isinstance(again, TorchTrialRun)
    again.trial_model.load(run.weights())
    assert same(trained(run), trained(again))
    points = [
        starter.measurer.evaluator(r.trial_model, r.data, "validation").point(0.0)
        for r in (run, again)
    ]
    assert points[0] == points[1]


def test_only_calibrated_pruning_depends_on_the_task(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    device = starter.device
    assert BaseKey.of(tiny_config, "a", device) == BaseKey.of(tiny_config, "b", device)
    pruned = replace(tiny_config, pruning=Wanda())
    assert BaseKey.of(pruned, "a", device) != BaseKey.of(pruned, "b", device)
    assert BaseKey.of(replace(tiny_config, pruning=Magnitude()), "a", device) == BaseKey.of(
        replace(tiny_config, pruning=Magnitude()), "b", device
    )


def test_the_result_says_everything(starter: TorchTrialStarter, tiny_config: TrialConfig) -> None:
    result = run_trial(
        starter,
        short(tiny_config, density=DEFT, pruning=Wanda(sparsity=0.5), quantization=Nf4()),
        0,
    )
    assert [point.threshold for point in result.points] == [0.0, 0.05, 0.3]
    densities = [point.density.overall for point in result.points]
    assert densities == sorted(densities, reverse=True)
    for point in result.points:
        assert len(point.example_scores) == point.score.n_examples == 20
        assert point.score.value == pytest.approx(sum(list(point.example_scores)) / 20)
        assert (len(point.density.encoder_blocks), len(point.density.decoder_blocks)) == (2, 3)
    cost = result.cost
    assert cost is not None
    assert cost.weight_sparsity == pytest.approx(0.5, abs=0.01)
    assert len(result.layer_sparsity) == 2 * 7 + 3 * 11
    assert all(share == pytest.approx(0.5, abs=0.01) for share in result.layer_sparsity.values())
    assert cost.total_parameters > cost.trainable_parameters > 0
    assert cost.latency_sec > 0
    assert result.exact_density is not None
    assert result.provenance is not None
    assert result.provenance.packages["torch"].startswith("2.")
    assert read_result(result.to_json()) == result
    ratios = [point.energy_ratio for point in result.points]
    assert all(ratio is not None and 0.4 < ratio < 1 for ratio in ratios)
    assert ratios == sorted(ratios, key=lambda ratio: -(ratio or 0))


def test_packed_weights_take_less_memory(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    def linear_bytes(**changes: Any) -> int:
        cost = run_trial(
            starter, short(tiny_config, training=Training(steps=1, batch_size=2), **changes), 0
        ).cost
        assert cost is not None
        return cost.weight_bytes

    full, half, packed = (
        linear_bytes(),
        linear_bytes(dtype="bf16"),
        linear_bytes(dtype="bf16", quantization=Nf4()),
    )
    assert packed < half < full
    assert full == pytest.approx(2 * half, rel=0.05)


def test_a_loss_that_is_not_finite_is_that_trials_error(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    run = starter(short(tiny_config), 0)
    assert isinstance(run, TorchTrialRun)
    with torch.no_grad():
        next(iter(run.trial_model.trained.values())).fill_(math.nan)
    with pytest.raises(TrialError, match="not finite at step 1"):
        run.advance(1)


def test_weights_go_back_into_the_same_configuration_only(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = short(tiny_config)
    run = starter(config, 0)
    run.advance(6)
    weights = run.weights()
    fresh = starter(config, 1)
    assert isinstance(fresh, TorchTrialRun)
    fresh.trial_model.load(weights)
    assert same(trained(run), trained(fresh))
    other = starter(short(tiny_config, peft=Lora(r=2, targets=TARGETS)), 0)
    assert isinstance(other, TorchTrialRun)
    with pytest.raises(ValueError, match="another configuration"):
        other.trial_model.load(weights)


def test_few_bases_are_kept(tiny_config: TrialConfig, starter: TorchTrialStarter) -> None:
    data = starter.data(tiny_config)
    first = starter.base(tiny_config, data)
    for activation in ("relu", "pretrained"):
        starter.base(replace(tiny_config, activation=activation), data)
    assert starter.base(tiny_config, data) is first
    starter.base(replace(tiny_config, dtype="bf16"), data)
    starter.base(replace(tiny_config, activation="relu"), data)
    assert starter.base(tiny_config, data) is not first


def test_measuring_between_two_advances_changes_nothing(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = short(tiny_config, density=DEFT, quantization=Nf4())
    straight, measured = starter(config, 0), starter(config, 0)
    straight.advance(3)
    straight.advance(3)
    measured.advance(3)
    halfway = measured.measure((0.05, 0.3))
    measured.advance(3)
    assert same(trained(straight), trained(measured))
    assert [point.threshold for point in halfway] == [0.05, 0.3]
    (last,) = measured.measure((0.05,))
    assert last == measured.finish().point_at(0.05) != halfway[0]
