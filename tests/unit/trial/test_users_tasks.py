"""From the user's file to a result, through the real loader: every kind of task, on a model with a
head and on one that writes.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.config.axes import DensityLoss, Lora, Training
from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import DataError
from deft_sweeps.metrics import measured
from deft_sweeps.result import read_result
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.tiny import HEAD_FAMILIES, save_tiny, save_tiny_encoder

NOUNS = ["plot", "cast", "music", "pace", "script", "light", "sound", "set"]


def row(i: int) -> dict[str, Any]:
    context = " ".join(
        [
            f"take {i}",
            *(NOUNS[(i + j) % 8] for j in range(5)),
            f"number {i % 7}",
            *(["more"] * (i % 3 * 12)),
            "end",
        ]
    )
    return {
        "text": f"{'great' if i % 2 else 'awful'} {NOUNS[i % 8]} take {i}",
        "other": f"a {NOUNS[i % 5]}",
        "label": "good" if i % 2 else "bad",
        "number": 1.0 + i % 4,
        "question": f"which {NOUNS[i % 8]} ?",
        "context": context,
        "answers": [NOUNS[(i + 2) % 8]] if i % 4 else [],
        "target": f"the {NOUNS[i % 8]}",
    }


KINDS: dict[str, dict[str, Any]] = {
    "classification": {},
    "pairs": {"text_pair": "other"},
    "regression": {"task": "regression", "label": "number"},
    "qa": {"task": "qa", "max_input_tokens": 32, "doc_stride": 8, "group": "context"},
    "text": {"task": "text"},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> Path:
    folder = tmp_path_factory.mktemp("users")
    rows = [row(i) for i in range(60)]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    save_tiny(folder / "t5", packaged_model)
    for family in HEAD_FAMILIES:
        save_tiny_encoder(
            folder / family, family, [str(value) for r in rows for value in r.values()]
        )
    return folder


@pytest.mark.parametrize("model", [*HEAD_FAMILIES, "t5"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_users_task_from_file_to_test_measurement(
    kind: str, model: str, models: Path, starter: TorchTrialStarter
) -> None:
    settings = {"max_input_tokens": 24, "splits": Splits(validation=10, test=10), **KINDS[kind]}
    config = TrialConfig(
        model=str(models / model),
        task=FileTask(path=str(models / "rows.jsonl"), **settings),
        peft=Lora(r=4, targets=("q", "v", "gate")),
        density=DensityLoss(eps=1e-2),
        training=Training(steps=2, batch_size=4, accumulation=2),
        dtype="fp32",
    )
    if kind == "text" and model != "t5":
        with pytest.raises(DataError, match="free text needs a model that writes"):
            starter(config, 0)
        return
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    run.advance(2)
    result = run.finish()
    writes = model == "t5" and kind in ("regression", "qa", "text")
    for point in result.points:
        assert point.score.n_examples == 10
        assert point.score.metric == run.data.metrics[0]
        assert (point.written_density is not None) == writes
        assert len(point.example_scores) == (0 if kind == "regression" else 10)
        assert bool(point.density.decoder_blocks) == (model == "t5")
    assert ("written_density" in measured(result.points[0], result.cost)) == writes
    final = measure_final(
        FinalJob("chosen", config, 0, run.weights(), threshold=0.05), starter.factory
    )
    assert replace(final.point, energy_ratio=None) == starter.measurer.evaluator(
        run.trial_model, run.data, "test"
    ).point(0.05)
    if kind == "qa":
        assert run.data.may_be_none
        assert len(run.data.validation) > 10  # Windows, more than there are questions.


def test_a_model_with_a_head_is_measured_alike_whatever_the_batch(
    models: Path, starter: TorchTrialStarter
) -> None:
    """Padding changes neither answer nor density, so neither may the examples beside it."""
    task = FileTask(
        path=str(models / "rows.jsonl"), **{"splits": Splits(validation=10, test=10), **KINDS["qa"]}
    )
    config = TrialConfig(model=str(models / "bert"), task=task, dtype="fp32")
    run = starter(config, 0)
    assert isinstance(run, TorchTrialRun)
    one = replace(starter.factory, evaluation=replace(starter.factory.evaluation, batch_size=1))()
    got, expected = (
        starter.measurer.evaluator(run.trial_model, run.data, "validation").point(0.05),
        one.measurer.evaluator(run.trial_model, run.data, "validation").point(0.05),
    )
    assert got.score == expected.score
    assert got.loss == pytest.approx(expected.loss, rel=1e-5)
    assert got.density.overall == pytest.approx(expected.density.overall, rel=1e-5)


@pytest.mark.parametrize("model", ["bert", "t5"])
def test_a_metric_of_ones_choice_is_the_score(
    models: Path, model: str, starter: TorchTrialStarter
) -> None:
    """Objective, limit and paired interval take it; the task's own stands behind it."""
    task = FileTask(
        path=str(models / "rows.jsonl"),
        metric="matthews",
        max_input_tokens=24,
        splits=Splits(validation=10, test=10),
    )
    config = TrialConfig(
        model=str(models / model), task=task, training=Training(steps=2, batch_size=4), dtype="fp32"
    )
    run = starter(config, 0)
    run.advance(2)
    result = run.finish()
    for point in result.points:
        assert point.score.metric == "matthews"
        assert set(point.score.also) == {"accuracy"}
        assert point.outcomes is not None
    assert read_result(result.to_json()) == result
