"""Evaluation against loops: one example at a time, no padding, no batching."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.config.axes import Lora
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import StoreError
from deft_sweeps.models.answering import first_tokens_differ
from deft_sweeps.result import read_result
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.task_metrics import score
from deft_sweeps.tasks.batches import collate
from deft_sweeps.trial.build import build
from deft_sweeps.trial.calibration import threshold_for
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import (
    final_measurements,
    measure_final,
    measure_score,
    measure_structure,
)
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.torch_starter import TorchTrialStarter


def test_accuracy_and_its_standard_error() -> None:
    scored = score("accuracy", [1, 0, 1, 1], [1, 1, 1, 1]).score
    assert (scored.value, scored.n_examples) == (0.75, 4)
    assert scored.standard_error == (0.75 * 0.25 / 4) ** 0.5


@pytest.mark.parametrize(("activation", "is_smooth"), [("pretrained", True), ("relu", False)])
def test_zeros_of_a_gelu_without_a_threshold_are_float_saturation(
    starter: TorchTrialStarter, tiny_config: TrialConfig, activation: str, is_smooth: bool
) -> None:
    config = replace(tiny_config, activation=activation)
    data = starter.data(config)
    trial_model = build(starter.base(config, data), config, 0)
    evaluator = starter.measurer.evaluator(trial_model, data, "validation")
    n_blocks = len(trial_model.gates)
    assert evaluator.point(0.0).float_saturation is is_smooth
    assert not evaluator.point(0.01).float_saturation
    # One block without a threshold of its own decides.
    mixed = (0.0, *(0.1 for _ in range(n_blocks - 1)))
    assert evaluator.point_by_block(0.1, mixed).float_saturation is is_smooth
    assert not evaluator.point_by_block(0.1, (0.1,) * n_blocks).float_saturation


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_score_and_loss_equal_a_loop_over_single_examples(
    starter: TorchTrialStarter, tiny_config: TrialConfig, threshold: float
) -> None:
    data = starter.data(tiny_config)
    trial_model = build(starter.base(tiny_config, data), tiny_config, 0)
    point = starter.measurer.evaluator(trial_model, data, "validation").point(threshold)
    right, nll, n_tokens = [], 0.0, 0
    model: Any = trial_model.model.eval()
    for row in data.validation:
        one = collate([row], data.class_ids, trial_model.base.pad_id)
        with torch.no_grad(), thresholded(trial_model.gates, threshold):
            logits = model(
                input_ids=one.input_ids, attention_mask=one.attention_mask, labels=one.labels
            ).logits[0]
            # The whole label text of each class, scored on its own.
            totals = []
            for ids in data.class_ids:
                labels = torch.tensor([ids])
                out = model(
                    input_ids=one.input_ids, attention_mask=one.attention_mask, labels=labels
                ).logits[0, 0]
                totals.append(float(out.log_softmax(-1)[ids[0]]))
        nll -= sum(
            float(logits[t].log_softmax(-1)[label])
            for t, label in enumerate(data.class_ids[row["label"]])
        )
        n_tokens += len(data.class_ids[row["label"]])
        right.append(float(totals.index(max(totals)) == row["label"]))
    assert list(point.example_scores) == right
    assert point.loss == pytest.approx(nll / n_tokens, rel=1e-4)


def test_classes_that_begin_alike_are_told_apart_by_their_whole_text(
    starter: TorchTrialStarter, tiny_config: TrialConfig, tmp_path: Any
) -> None:
    lines = ["text,label"] + [
        f"sample number {i} of this kind,{'very good film' if i % 2 else 'very bad film'}"
        for i in range(80)
    ]
    path = tmp_path / "alike.csv"
    path.write_text("\n".join(lines))
    assert isinstance(tiny_config.task, FileTask)
    config = replace(tiny_config, task=replace(tiny_config.task, path=str(path)))
    data = starter.data(config)
    assert not first_tokens_differ(data.class_ids)
    trial_model = build(starter.base(config, data), config, 0)
    point = starter.measurer.evaluator(trial_model, data, "validation").point(0.0)
    model: Any = trial_model.model.eval()
    expected = []
    for row in data.validation:
        one = collate([row], data.class_ids, trial_model.base.pad_id)
        totals = []
        for ids in data.class_ids:
            with torch.no_grad():
                out = model(
                    input_ids=one.input_ids,
                    attention_mask=one.attention_mask,
                    labels=torch.tensor([ids]),
                ).logits[0]
            totals.append(sum(float(out[t].log_softmax(-1)[i]) for t, i in enumerate(ids)))
        expected.append(float(totals.index(max(totals)) == row["label"]))
    assert list(point.example_scores) == expected


def test_threshold_is_calibrated_to_a_density(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    data = starter.data(tiny_config)
    trial_model = build(starter.base(tiny_config, data), tiny_config, 0)
    evaluator = starter.measurer.evaluator(trial_model, data, "validation")
    for density in (0.6, 0.2):
        assert evaluator.point(threshold_for(evaluator, density)).density.overall == pytest.approx(
            density, rel=0.02
        )


def test_final_measurement_is_of_the_trained_weights_on_the_test_split(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    config = replace(tiny_config, peft=Lora(r=4, targets=("gate",)))
    run = starter(config, 0)
    run.advance(3)
    assert isinstance(run, TorchTrialRun)
    expected = starter.measurer.evaluator(run.trial_model, run.data, "test").point(0.05)
    measured = measure_final(
        FinalJob("chosen", config, 0, run.weights(), threshold=0.05),
        replace(starter.factory, label="measured"),
    )
    assert replace(measured.point, energy_ratio=None) == expected
    assert measured.point.energy_ratio is not None
    assert 0 < measured.point.energy_ratio < 1
    assert measured.cost.label == "measured"
    twin = measure_final(FinalJob("twin", config, 0, run.weights(), density=0.5), starter.factory)
    assert twin.point.threshold > 0
    assert twin.point.density.overall == pytest.approx(0.5, abs=0.08)


def test_a_score_does_not_depend_on_what_its_process_measured_before(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    configs = [
        replace(tiny_config, peft=Lora(r=4, targets=("gate",))),
        replace(tiny_config, activation="relu"),
    ]
    jobs = [
        FinalJob("baseline", config, 0, starter(config, 0).weights(), threshold=0.05)
        for config in configs
    ]
    alone = [measure_final(job, starter.factory).point for job in jobs]
    warm = starter.factory()
    assert [measure_score(job, warm)[0] for job in (*jobs, *jobs)] == [*alone, *alone]


def test_final_measurements_of_one_structure_share_a_process_and_its_costs(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    chosen = replace(tiny_config, peft=Lora(r=4, targets=("gate",)))
    twin = replace(chosen, training=replace(chosen.training, learning_rate=1e-1))
    runs = [starter(config, 0) for config in (chosen, twin)]
    for run in runs:
        run.advance(2)
    jobs = [
        FinalJob("chosen", chosen, 0, runs[0].weights(), threshold=0.05),
        FinalJob("twin", twin, 0, runs[1].weights(), density=0.5),
    ]
    measure = final_measurements(starter.factory)
    measured = [measure(job) for job in jobs]
    alone = [measure_final(job, starter.factory) for job in jobs]
    assert [one.point for one in measured] == [one.point for one in alone]
    assert measured[0].point != measured[1].point
    assert [one.trial_id for one in measured] == [job.trial_id for job in jobs]
    assert [one.role for one in measured] == ["chosen", "twin"]
    assert measured[0].cost == measured[1].cost


def test_weights_say_whose_they_are_and_foreign_ones_are_refused(
    starter: TorchTrialStarter, tiny_config: TrialConfig, tmp_path: Path
) -> None:
    own, foreign = (tmp_path / f"{tiny_config.trial_id(seed)}.safetensors" for seed in (0, 1))
    weights = starter(tiny_config, 0, None).weights()
    for path in (own, foreign):
        path.write_bytes(weights)
    assert read_weights(own) == weights
    with pytest.raises(StoreError, match=f"holds the weights of {tiny_config.trial_id(0)}; put"):
        read_weights(foreign)
    other = replace(tiny_config, peft=Lora(r=2, targets=("gate",)))
    with pytest.raises(ValueError, match="these weights belong to another configuration"):
        measure_final(FinalJob("chosen", other, 0, weights, threshold=0.0), starter.factory)


def test_a_percentile_is_measured_with_each_blocks_own_threshold_really_applied(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    factory = replace(
        starter.factory,
        evaluation=replace(starter.factory.evaluation, percentiles=(0.4, 0.9), n_calibration=30),
    )
    config = replace(tiny_config, peft=Lora(r=4, targets=("gate",)))
    run = factory()(config, 0)
    run.advance(3)
    assert isinstance(run, TorchTrialRun)
    result = run.finish()
    assert read_result(result.to_json()) == result
    assert [point.at for point in result.points] == ["0", "0.05", "0.3", "p0.4", "p0.9"]
    for point in result.points[3:]:
        assert point.percentile is not None
        assert point.threshold == pytest.approx(sum(point.block_thresholds) / 5)
        assert len(set(point.block_thresholds)) == 5
        blocks = point.density.encoder_blocks + point.density.decoder_blocks
        assert blocks == pytest.approx([1 - point.percentile] * 5, abs=0.08)
        gates = dict(
            zip([at.gate for at in run.trial_model.gates], point.block_thresholds, strict=True)
        )
        hooks = [
            gate.register_forward_hook(
                lambda _m, _a, out, tau=tau: torch.where(out.abs() > tau, out, 0.0)
            )
            for gate, tau in gates.items()
        ]
        by_hand = starter.measurer.evaluator(run.trial_model, run.data, "validation").point(0.0)
        for hook in hooks:
            hook.remove()
        assert (by_hand.example_scores, by_hand.loss) == (point.example_scores, point.loss)
        job = FinalJob(
            "chosen",
            config,
            0,
            run.weights(),
            point.threshold,
            None,
            point.percentile,
            point.block_thresholds,
        )
        final = measure_final(job, starter.factory).point
        assert (final.at, final.block_thresholds) == (point.at, point.block_thresholds)
        assert final.density != point.density
    twin = measure_final(
        FinalJob("twin", config, 0, run.weights(), density=0.3, percentile=0.9), factory
    ).point
    assert twin.density.overall == pytest.approx(0.3, abs=0.08)
    assert twin.percentile == pytest.approx(0.7, abs=0.05)
    assert len(set(twin.block_thresholds)) == 5


def test_a_candidate_is_measured_on_the_selection_split(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    task = replace(tiny_config.task, splits=replace(tiny_config.task.splits, selection=10))
    config = replace(tiny_config, task=task)
    run = starter(config, 0)
    run.advance(1)
    assert isinstance(run, TorchTrialRun)
    assert run.data.selection is not None
    assert len(run.data.selection) == 10
    expected = starter.measurer.evaluator(run.trial_model, run.data, "selection").point(0.05)
    measured = measure_final(
        FinalJob("candidate", config, 0, run.weights(), threshold=0.05), starter.factory
    )
    assert replace(measured.point, energy_ratio=None) == expected
    assert measured.point.score.n_examples == 10


def test_what_a_structure_costs_is_taken_without_training(
    starter: TorchTrialStarter, tiny_config: TrialConfig
) -> None:
    run = starter(tiny_config, 0)
    run.advance(1)
    timed = replace(starter.factory.evaluation, latency_repeats=7)
    cost = measure_structure(
        FinalJob("candidate", tiny_config, 0, run.weights(), threshold=0.0),
        replace(starter.factory, evaluation=timed),
    )
    assert cost.trial_id == tiny_config.trial_id(0)
    assert cost.peak_memory_bytes >= 0
    assert cost.latency_high_sec is not None
    assert 0 < cost.latency_sec <= cost.latency_high_sec
