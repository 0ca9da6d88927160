"""Tasks of every kind, by a head and by text: training's loss and evaluation's answers against loops over single examples."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.config.axes import DensityLoss, Lora, Magnitude, Nf4, Training, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import ConfigError
from deft_sweeps.result import TrialResult
from deft_sweeps.tasks.batches import collate
from deft_sweeps.tasks.metrics import score_all
from deft_sweeps.tasks.spans import Window, best_answers
from deft_sweeps.trial.build import Built, build
from deft_sweeps.trial.final import threshold_for
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.predict import as_number
from deft_sweeps.trial.run import Run, run_trial
from deft_sweeps.trial.train import loss_sum, n_targets
from tests.unit.trial.made_tasks import GivenBench, encoder_config, head_task, t5_config, text_task

HEAD_KINDS = ["classification", "regression", "span"]
SHORT: dict[str, Any] = {
    "peft": Lora(r=4, targets=("q", "v", "gate", "down")),
    "density": DensityLoss(eps=1e-2),
    "training": Training(steps=16, batch_size=6, learning_rate=1e-2, warmup_share=0.0),
}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrialConfig]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: encoder_config(folder, family) for family in ("bert", "roberta")}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> TrialConfig:
    return t5_config(tmp_path_factory.mktemp("t5"), packaged_model)


def built_on(bench: GivenBench, config: TrialConfig) -> Built:
    return build(bench.base(config, bench.given), config, 0, HeadSpec.of(bench.given))


def one_by_one(built: Built, bench: GivenBench) -> list[tuple[Any, Any, torch.Tensor]]:
    """Each validation row alone, without padding: the row, its batch and the model's logits."""
    told = []
    model: Any = built.model.eval()
    for row in bench.given.validation:
        one = collate([row], bench.given.class_ids, built.base.pad_id)
        kinds = {} if one.token_type_ids is None else {"token_type_ids": one.token_type_ids}
        with torch.no_grad():
            logits = model(input_ids=one.input_ids, attention_mask=one.attention_mask, **kinds).logits
        told.append((row, one, logits[0]))
    return told


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_head_learns_and_is_measured(kind: str, family: str, encoders: dict[str, TrialConfig]) -> None:
    config = replace(encoders[family], **SHORT)
    bench = GivenBench(head_task(kind, config.model))
    run = bench(config, 0)
    assert isinstance(run, Run)
    base = {name: value.clone() for name, value in run.built.base.model.state_dict().items()}
    steps = run.advance(16).steps
    assert sum(s.task_loss for s in steps[-4:]) < sum(s.task_loss for s in steps[:4])
    assert all(step.density_loss > 0 for step in steps)
    result = run.finish()
    assert [point.threshold for point in result.points] == [0.0, 0.3]
    for point in result.points:
        assert (len(point.density.encoder_blocks), point.density.decoder_blocks) == (2, ())
        assert point.written_density is None
        assert point.score.n_examples == 6
        assert list(point.score.also) == list(bench.given.metrics[1:])
    assert result.points[1].density.overall < result.points[0].density.overall
    assert "decoder_density" not in result.metrics(result.points[0])
    assert TrialResult.from_json(result.to_json()) == result
    now = run.built.base.model.state_dict()
    assert all(torch.equal(now[name], value) for name, value in base.items())


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_heads_score_and_loss_equal_a_loop_over_single_rows(kind: str, encoders: dict[str, TrialConfig]) -> None:
    config = encoders["bert"]
    bench = GivenBench(head_task(kind, config.model))
    data, built = bench.given, built_on(bench, config)
    point = bench.evaluator(built, data, "validation").point(0.0)
    total = 0.0
    answers: list[Any] = []
    for row, _, logits in one_by_one(built, bench):
        match kind:
            case "classification":
                total -= float(logits.log_softmax(-1)[row["label"]])
                answers.append(int(logits.argmax()))
            case "regression":
                total += float(logits[0] - row["label"]) ** 2
                answers.append(float(logits[0]))
            case _:
                total -= float(logits[:, 0].log_softmax(-1)[row["start"]] + logits[:, 1].log_softmax(-1)[row["end"]]) / 2
                answers.append(Window(row["example"], row["begins"], row["ends"], logits[:, 0].numpy(), logits[:, 1].numpy()))
    predictions = best_answers(answers, data.contexts["validation"]) if kind == "span" else answers
    expected = score_all(data.metrics, predictions, data.references["validation"])
    assert point.loss == pytest.approx(total / len(data.validation), rel=1e-4)
    assert point.score.metric == data.metrics[0]
    assert point.score.value == pytest.approx(expected.score.value, abs=1e-5)
    assert point.score.also == pytest.approx(expected.score.also, abs=1e-5)
    assert point.example_scores == expected.example_scores
    assert bool(point.example_scores) == (kind != "regression")


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_accumulated_micro_batches_of_a_head_add_up(kind: str, encoders: dict[str, TrialConfig]) -> None:
    config = replace(encoders["roberta"], **SHORT)
    bench = GivenBench(head_task(kind, config.model))
    whole = bench(config, 0).advance(1).steps[0]
    parts = bench(replace(config, training=replace(config.training, accumulation=4)), 0).advance(1).steps[0]
    assert (whole.task_loss, whole.density_loss, whole.grad_norm) == pytest.approx(
        (parts.task_loss, parts.density_loss, parts.grad_norm), rel=1e-4
    )


def test_trials_of_two_tasks_share_an_encoder_without_a_head(encoders: dict[str, TrialConfig]) -> None:
    config = encoders["bert"]
    bench = GivenBench(head_task("classification", config.model))
    first = built_on(bench, config)
    bench.given = head_task("span", config.model)
    second = built_on(bench, config)
    assert first.base is second.base
    assert set(first.trained) == set(second.trained)
    with pytest.raises(ValueError, match="another configuration"):
        built_on(GivenBench(head_task("regression", config.model)), config).load(first.save())
    again = built_on(bench, config)
    again.load(second.save())
    assert all(torch.equal(again.trained[name], parameter) for name, parameter in second.trained.items())


@pytest.mark.parametrize(
    "changes", [{"quantization": Nf4(), "dtype": "bf16"}, {"pruning": Wanda(n_calibration=6)}, {"pruning": Magnitude()}]
)
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_pruned_and_quantized_encoders_keep_biases_pooler_and_head(family: str, changes: Any, encoders: dict[str, TrialConfig]) -> None:
    config = replace(encoders[family], **SHORT, **changes)
    bench = GivenBench(head_task("classification", config.model))
    base = bench.base(config, bench.given)
    dense = bench.base(encoders[family], bench.given).model
    linears = {linear.name for linear in base.layout.linears}
    for name, parameter in dense.named_parameters():
        if name.removesuffix(".weight") not in linears:
            now = base.model.get_parameter(name)
            assert torch.equal(now, parameter.to(now.dtype)), name
    result = run_trial(bench, config, 0)
    assert result.status == "complete"
    assert result.cost is not None
    assert result.cost.weight_sparsity == pytest.approx(0.0 if "quantization" in changes else 0.5, abs=0.01)


def test_free_text_asks_for_a_decoder(encoders: dict[str, TrialConfig]) -> None:
    data = replace(head_task("classification", encoders["bert"].model), kind="text")
    with pytest.raises(ConfigError, match="without a decoder cannot write free text"):
        HeadSpec.of(data)


def write_alone(built: Built, row: Any, n_tokens: int, end_id: int) -> list[int]:
    """Greedy decoding by whole forward passes, without a cache."""
    model: Any = built.model.eval()
    ids, written = torch.tensor([row["input_ids"]]), [0]
    with torch.no_grad():
        while len(written) <= n_tokens and written[-1] != end_id:
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=torch.tensor([written])).logits
            written.append(int(logits[0, -1].argmax()))
    return written[1:]


@pytest.mark.parametrize("kind", ["regression", "span", "text"])
def test_what_a_t5_writes_is_scored_and_its_density_counted(kind: str, t5: TrialConfig) -> None:
    config = replace(t5, **{**SHORT, "training": Training(steps=30, batch_size=12, learning_rate=5e-2, warmup_share=0.0)})
    bench = GivenBench(text_task(kind, config.model))
    run = bench(config, 0)
    assert isinstance(run, Run)
    steps = run.advance(30).steps
    assert steps[-1].task_loss < steps[0].task_loss
    built, data = run.built, bench.given
    point = bench.evaluator(built, data, "validation").point(0.3)
    longest = max(len(row["target_ids"]) for row in data.validation)
    tokenizer = bench.evaluator(built, data, "validation").answers.tokenizer
    shares: dict[int, list[float]] = {i: [] for i in range(len(built.gates))}
    texts, lengths = [], set()
    with thresholded(built.gates, 0.3):
        for row in data.validation:
            ids = write_alone(built, row, longest, 1)
            lengths.add(len(ids))
            texts.append(tokenizer.decode(ids, skip_special_tokens=True).strip())
            for i, at in enumerate(built.gates):
                at.gate.reader = lambda _, gate, i=i: shares[i].append(float((gate != 0).float().mean()))
            inputs = torch.tensor([row["input_ids"]])
            with torch.no_grad():
                # What was written, fed back once, is what the gates saw step by step.
                built.model(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=torch.tensor([ids]))
            for at in built.gates:
                at.gate.reader = None
    middle = sum(data.references["train"]) / 12 if kind == "regression" else 0.0
    predictions = [as_number(text, middle) for text in texts] if kind == "regression" else texts
    expected = score_all(data.metrics, predictions, data.references["validation"])
    assert point.score == expected.score
    assert point.written_density is not None
    by_loop = [sum(values) / len(values) for values in shares.values()]
    blocks = point.written_density.encoder_blocks + point.written_density.decoder_blocks
    assert blocks == pytest.approx(by_loop, rel=1e-4)
    assert len(point.written_density.decoder_blocks) == 3


def test_calibrating_a_threshold_writes_nothing(t5: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GivenBench(text_task("text", t5.model))
    built = built_on(bench, t5)
    evaluator = bench.evaluator(built, bench.given, "validation")
    monkeypatch.setattr(built.base.model.__class__, "generate", None)
    assert threshold_for(evaluator, 0.5) > 0


def test_words_that_are_no_number_stand_for_the_middle() -> None:
    assert [as_number(text, 2.5) for text in ("3.8", " 1 ", "very good", "", "nan", "inf", "-2")] == [3.8, 1.0, 2.5, 2.5, 2.5, 2.5, -2.0]


def test_a_batch_without_a_target_has_no_loss() -> None:
    batch = collate([{"input_ids": [1, 2]}], (), 0)
    assert n_targets(batch) == 1
    with pytest.raises(ValueError, match="something to predict"):
        loss_sum(torch.zeros(1, 2), batch)
