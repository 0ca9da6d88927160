"""Tasks of every kind, by a head and by text: training's loss and evaluation's answers against
loops over single examples.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.config.axes import DensityLoss, Lora, Magnitude, Nf4, Training, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import ConfigError
from deft_sweeps.metrics import measured
from deft_sweeps.result import read_result
from deft_sweeps.task_metrics import score_all
from deft_sweeps.tasks.batches import collate
from deft_sweeps.tasks.spans import WindowScores, best_answers
from deft_sweeps.tasks.tokens import written_number
from deft_sweeps.trial.build import TrialModel, build
from deft_sweeps.trial.calibration import threshold_for
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.train import loss_sum, n_targets
from tests.tiny import HEAD_FAMILIES
from tests.unit.trial.made_tasks import (
    GivenTrialStarter,
    encoder_config,
    head_task,
    t5_config,
    text_task,
)
from tests.whole_trial import run_trial

HEAD_KINDS = ["classification", "regression", "span"]
SHORT: dict[str, Any] = {
    "peft": Lora(r=4, targets=("q", "v", "gate", "down")),
    "density": DensityLoss(eps=1e-2),
    "training": Training(steps=16, batch_size=6, learning_rate=1e-2, warmup_share=0.0),
}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrialConfig]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: encoder_config(folder, family) for family in HEAD_FAMILIES}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> TrialConfig:
    return t5_config(tmp_path_factory.mktemp("t5"), packaged_model)


def built_on(starter: GivenTrialStarter, config: TrialConfig) -> TrialModel:
    return build(starter.base(config, starter.given), config, 0, HeadSpec.of(starter.given))


def one_by_one(
    trial_model: TrialModel, starter: GivenTrialStarter
) -> list[tuple[Any, Any, torch.Tensor]]:
    """Each validation row alone, without padding: the row, its batch and the model's logits."""
    messages = []
    model: Any = trial_model.model.eval()
    for row in starter.given.validation:
        one = collate([row], starter.given.class_ids, trial_model.base.pad_id)
        kinds = {} if one.token_type_ids is None else {"token_type_ids": one.token_type_ids}
        with torch.no_grad():
            logits = model(
                input_ids=one.input_ids, attention_mask=one.attention_mask, **kinds
            ).logits
        messages.append((row, one, logits[0]))
    return messages


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_head_learns_and_is_measured(
    kind: str, family: str, encoders: dict[str, TrialConfig]
) -> None:
    config = replace(encoders[family], **SHORT)
    starter = GivenTrialStarter(head_task(kind, config.model))
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    base = {name: value.clone() for name, value in run.trial_model.base.model.state_dict().items()}
    steps = run.advance(16).steps
    assert sum(s.task_loss for s in steps[-4:]) < sum(s.task_loss for s in steps[:4])
    assert all(step.density_loss > 0 for step in steps)
    result = run.finish()
    assert [point.threshold for point in result.points] == [0.0, 0.3]
    for point in result.points:
        assert (len(point.density.encoder_blocks), point.density.decoder_blocks) == (2, ())
        assert point.written_density is None
        assert point.score.n_examples == 6
        assert list(point.score.also) == list(starter.given.metrics[1:])
    assert result.points[1].density.overall < result.points[0].density.overall
    assert "decoder_density" not in measured(result.points[0], result.cost)
    assert read_result(result.to_json()) == result
    now = run.trial_model.base.model.state_dict()
    assert all(torch.equal(now[name], value) for name, value in base.items())


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_heads_score_and_loss_equal_a_loop_over_single_rows(
    kind: str, encoders: dict[str, TrialConfig]
) -> None:
    config = encoders["bert"]
    starter = GivenTrialStarter(head_task(kind, config.model))
    data, trial_model = starter.given, built_on(starter, config)
    point = starter.measurer.evaluator(trial_model, data, "validation").point(0.0)
    total = 0.0
    answers: list[Any] = []
    for row, _, logits in one_by_one(trial_model, starter):
        match kind:
            case "classification":
                total -= float(logits.log_softmax(-1)[row["label"]])
                answers.append(int(logits.argmax()))
            case "regression":
                total += float(logits[0] - row["label"]) ** 2
                answers.append(float(logits[0]))
            case _:
                total -= (
                    float(
                        logits[:, 0].log_softmax(-1)[row["start"]]
                        + logits[:, 1].log_softmax(-1)[row["end"]]
                    )
                    / 2
                )
                answers.append(
                    WindowScores(
                        row["example"],
                        row["begins"],
                        row["ends"],
                        logits[:, 0].numpy(),
                        logits[:, 1].numpy(),
                    )
                )
    predictions = best_answers(answers, data.contexts["validation"]) if kind == "span" else answers
    expected = score_all(data.metrics, predictions, data.references["validation"])
    assert point.loss == pytest.approx(total / len(data.validation), rel=1e-4)
    assert point.score.metric == data.metrics[0]
    assert point.score.value == pytest.approx(expected.score.value, abs=1e-5)
    assert point.score.also == pytest.approx(expected.score.also, abs=1e-5)
    assert point.example_scores == expected.example_scores
    assert bool(point.example_scores) == (kind != "regression")


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_accumulated_micro_batches_of_a_head_add_up(
    kind: str, encoders: dict[str, TrialConfig]
) -> None:
    config = replace(encoders["roberta"], **SHORT)
    starter = GivenTrialStarter(head_task(kind, config.model))
    whole = starter(config, 0).advance(1).steps[0]
    parts = (
        starter(replace(config, training=replace(config.training, accumulation=4)), 0)
        .advance(1)
        .steps[0]
    )
    assert (whole.task_loss, whole.density_loss, whole.grad_norm) == pytest.approx(
        (parts.task_loss, parts.density_loss, parts.grad_norm), rel=1e-4
    )


def test_trials_of_two_tasks_share_an_encoder_without_a_head(
    encoders: dict[str, TrialConfig],
) -> None:
    config = encoders["bert"]
    starter = GivenTrialStarter(head_task("classification", config.model))
    first = built_on(starter, config)
    starter.given = head_task("span", config.model)
    second = built_on(starter, config)
    assert first.base is second.base
    assert set(first.trained) == set(second.trained)
    with pytest.raises(ValueError, match="another configuration"):
        built_on(GivenTrialStarter(head_task("regression", config.model)), config).load(
            first.save()
        )
    again = built_on(starter, config)
    again.load(second.save())
    assert all(
        torch.equal(again.trained[name], parameter) for name, parameter in second.trained.items()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"quantization": Nf4(), "dtype": "bf16"},
        {"pruning": Wanda(n_calibration=6)},
        {"pruning": Magnitude()},
    ],
)
@pytest.mark.parametrize("family", HEAD_FAMILIES)
def test_pruned_and_quantized_encoders_keep_biases_pooler_and_head(
    family: str, changes: Any, encoders: dict[str, TrialConfig]
) -> None:
    config = replace(encoders[family], **SHORT, **changes)
    starter = GivenTrialStarter(head_task("classification", config.model))
    base = starter.base(config, starter.given)
    dense = starter.base(encoders[family], starter.given).model
    linears = {linear.name for linear in base.layout.linears}
    for name, parameter in dense.named_parameters():
        if name.removesuffix(".weight") not in linears:
            now = base.model.get_parameter(name)
            assert torch.equal(now, parameter.to(now.dtype)), name
    result = run_trial(starter, config, 0)
    assert result.status == "complete"
    assert result.cost is not None
    assert result.cost.weight_sparsity == pytest.approx(
        0.0 if "quantization" in changes else 0.5, abs=0.01
    )


def test_free_text_asks_for_a_decoder(encoders: dict[str, TrialConfig]) -> None:
    data = replace(head_task("classification", encoders["bert"].model), kind="text")
    with pytest.raises(ConfigError, match="with a head cannot write free text"):
        HeadSpec.of(data)


def write_alone(trial_model: TrialModel, row: Any, n_tokens: int, end_id: int) -> list[int]:
    """Greedy decoding by whole forward passes, without a cache."""
    model: Any = trial_model.model.eval()
    ids, written = torch.tensor([row["input_ids"]]), [0]
    with torch.no_grad():
        while len(written) <= n_tokens and written[-1] != end_id:
            logits = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                decoder_input_ids=torch.tensor([written]),
            ).logits
            written.append(int(logits[0, -1].argmax()))
    return written[1:]


@pytest.mark.parametrize("kind", ["regression", "span", "text"])
def test_what_a_t5_writes_is_scored_and_its_density_counted(kind: str, t5: TrialConfig) -> None:
    config = replace(
        t5,
        **{
            **SHORT,
            "training": Training(steps=30, batch_size=12, learning_rate=5e-2, warmup_share=0.0),
        },
    )
    starter = GivenTrialStarter(text_task(kind, config.model))
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    steps = run.advance(30).steps
    assert steps[-1].task_loss < steps[0].task_loss
    trial_model, data = run.trial_model, starter.given
    point = starter.measurer.evaluator(trial_model, data, "validation").point(0.3)
    longest = max(len(row["target_ids"]) for row in data.validation)
    tokenizer = starter.measurer.evaluator(trial_model, data, "validation").answers.tokenizer
    shares: dict[int, list[float]] = {i: [] for i in range(len(trial_model.gates))}
    texts, lengths = [], set()
    with thresholded(trial_model.gates, 0.3):
        for row in data.validation:
            ids = write_alone(trial_model, row, longest, 1)
            lengths.add(len(ids))
            texts.append(tokenizer.decode(ids, skip_special_tokens=True).strip())
            for i, at in enumerate(trial_model.gates):
                at.gate.reader = lambda _, gate, i=i: shares[i].append(
                    float((gate != 0).float().mean())
                )
            inputs = torch.tensor([row["input_ids"]])
            with torch.no_grad():
                # What was written, fed back once, is what the gates saw step by step.
                trial_model.model(
                    input_ids=inputs,
                    attention_mask=torch.ones_like(inputs),
                    labels=torch.tensor([ids]),
                )
            for at in trial_model.gates:
                at.gate.reader = None
    middle = sum(data.references["train"]) / 12 if kind == "regression" else 0.0
    predictions = (
        [written_number(text, middle) for text in texts] if kind == "regression" else texts
    )
    expected = score_all(data.metrics, predictions, data.references["validation"])
    assert point.score == expected.score
    assert point.written_density is not None
    by_loop = [sum(values) / len(values) for values in shares.values()]
    blocks = point.written_density.encoder_blocks + point.written_density.decoder_blocks
    assert blocks == pytest.approx(by_loop, rel=1e-4)
    assert len(point.written_density.decoder_blocks) == 3


def test_calibrating_a_threshold_writes_nothing(
    t5: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = GivenTrialStarter(text_task("text", t5.model))
    trial_model = built_on(starter, t5)
    evaluator = starter.measurer.evaluator(trial_model, starter.given, "validation")
    monkeypatch.setattr(trial_model.base.model.__class__, "generate", None)
    assert threshold_for(evaluator, 0.5) > 0


def test_words_that_are_no_number_stand_for_the_middle() -> None:
    assert [
        written_number(text, 2.5) for text in ("3.8", " 1 ", "very good", "", "nan", "inf", "-2")
    ] == [3.8, 1.0, 2.5, 2.5, 2.5, 2.5, -2.0]


def test_a_batch_without_a_target_has_no_loss() -> None:
    batch = collate([{"input_ids": [1, 2]}], (), 0)
    assert n_targets(batch) == 1
    with pytest.raises(ValueError, match="something to predict"):
        loss_sum(torch.zeros(1, 2), batch)
