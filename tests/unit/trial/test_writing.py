"""What a T5 writes through `AnswerReader`, padded and cached, against greedy loops over single
windows.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from datasets import Dataset

from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.axes.decoding import GenerationMeter
from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    Ia3,
    Lora,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Training,
)
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.task_metrics import score_all
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.run import TorchTrialRun
from tests.unit.trial.made_tasks import SPLITS, TEXTS, GivenTrialStarter, answer_of, t5_config

METHODS = [
    Lora(r=4, targets=("q", "v", "gate", "down")),
    AdaLora(),
    Ia3(),
    Adapter(reduction=4),
    PrefixTuning(virtual_tokens=3),
    PromptTuning(virtual_tokens=3),
    PTuning(virtual_tokens=3, hidden=16),
]
THRESHOLD = 0.3
LONGEST = 5


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> TrialConfig:
    return t5_config(tmp_path_factory.mktemp("t5"), packaged_model)


def windowed_task(model: str, *, may_be_none: bool) -> TaskData:
    """Every text in two windows, of all its words and of its last ones; of which only the first
    holds the answer.
    """
    tokenizer = load_tokenizer(model)

    def columns(indices: range) -> dict[str, Any]:
        inputs, written, of = [], [], []
        for example, i in enumerate(indices):
            for text, target in (
                (TEXTS[i], answer_of(i)),
                (TEXTS[i].split(" and ")[1], "" if may_be_none else answer_of(i)),
            ):
                inputs.append(text)
                written.append(target)
                of.append(example)
        return {
            "input_ids": tokenizer(inputs)["input_ids"],
            "target_ids": tokenizer(written)["input_ids"],
            "example": of,
        }

    return TaskData(
        kind="span",
        form="text-to-text",
        **{split: Dataset.from_dict(columns(indices)) for split, indices in SPLITS.items()},
        references={split: [(answer_of(i),) for i in indices] for split, indices in SPLITS.items()},
        metrics=("exact_match", "token_f1"),
        may_be_none=may_be_none,
        fingerprint=f"windows {may_be_none}",
    )


@torch.no_grad()
def write_alone(model: Any, row: Any, longest: int) -> tuple[list[int], float, float]:
    """Token ids of the answer to one window, their mean log-probability, and that of ending at
    once.
    """
    ids, written, messages = torch.tensor([row["input_ids"]]), [0], []
    while len(written) <= longest and (len(written) == 1 or written[-1] != 1):
        logits = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            decoder_input_ids=torch.tensor([written]),
            use_cache=False,
        ).logits[0, -1]
        messages.append(logits.log_softmax(-1))
        written.append(int(logits.argmax()))
    best = [float(step[token]) for step, token in zip(messages, written[1:], strict=True)]
    return written[1:], sum(best) / len(best), float(messages[0][1])


@pytest.mark.parametrize("may_be_none", [True, False])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_windows_are_answered_and_counted_as_one_by_one(
    method: Any, may_be_none: bool, t5: TrialConfig
) -> None:
    training = Training(steps=4, batch_size=12, learning_rate=5e-3, warmup_share=0.0)
    config = replace(t5, peft=method, training=training)
    starter = GivenTrialStarter(windowed_task(config.model, may_be_none=may_be_none))
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    run.advance(4)
    trial_model, data = run.trial_model, starter.given
    evaluator = starter.measurer.evaluator(trial_model, data, "validation")
    evaluator = replace(evaluator, answers=replace(evaluator.answers, max_new_tokens=LONGEST))
    assert any(int(batch.attention_mask.min()) == 0 for batch in evaluator.batches)
    point = evaluator.point(THRESHOLD)
    model: Any = trial_model.model.eval()
    answers: dict[int, list[tuple[str, float, float]]] = {}
    shares: dict[int, list[float]] = {i: [] for i in range(len(trial_model.gates))}
    with thresholded(trial_model.gates, THRESHOLD):
        for row in data.validation:
            ids, score, empty = write_alone(model, row, LONGEST)
            text = evaluator.answers.tokenizer.decode(ids, skip_special_tokens=True).strip()
            answers.setdefault(row["example"], []).append((text, score, empty))
            n_input, inputs = len(row["input_ids"]), torch.tensor([row["input_ids"]])
            for i, at in enumerate(trial_model.gates):
                n = n_input if at.stack == "encoder" else len(ids)
                # Virtual tokens stand in front.
                at.gate.reader = lambda _, gate, i=i, n=n: shares[i].append(
                    float((gate[:, -n:] != 0).float().mean())
                )
            with torch.no_grad():
                seen = torch.tensor([[0, *ids[:-1]]])
                model(
                    input_ids=inputs,
                    attention_mask=torch.ones_like(inputs),
                    decoder_input_ids=seen,
                    use_cache=False,
                )
            for at in trial_model.gates:
                at.gate.reader = None
    predictions = []
    for example in range(len(answers)):
        texts = [one for one in answers[example] if one[0]]
        best = max(texts, key=lambda one: one[1], default=("", 0.0, 0.0))
        none = may_be_none and min(empty for _, _, empty in answers[example]) > best[1]
        predictions.append("" if none else best[0])
    expected = score_all(data.metrics, predictions, data.references["validation"])
    assert point.score.n_examples == len(data.references["validation"]) == len(data.validation) / 2
    assert point.score == expected.score
    assert point.example_scores == expected.example_scores
    assert point.written_density is not None
    blocks = point.written_density.encoder_blocks + point.written_density.decoder_blocks
    for i, block in enumerate(blocks):
        assert len(shares[i]) == len(data.validation)
        assert block == pytest.approx(sum(shares[i]) / len(shares[i]), abs=1e-4)
    outcomes: list[Any] = []
    with thresholded(trial_model.gates, THRESHOLD), torch.no_grad():
        for batch in evaluator.batches:
            inputs_of, _ = model_inputs(batch, starter.device)
            outcomes += evaluator.answers.of_batch(
                (), batch, inputs_of, torch.zeros(0), GenerationMeter(trial_model.gates)
            )
    for i, one in enumerate(outcomes):
        which = answers[one.example][evaluator.order[i] % 2]
        assert one.text == which[0]
        assert (one.score, one.empty) == pytest.approx(which[1:], abs=1e-3)
    assert evaluator.answers.by_example(evaluator.order, outcomes) == predictions
    assert len(set(predictions)) > 2
