"""Three hundred classes from a file to a result, by a head and by their names' likelihoods."""

from dataclasses import replace
from pathlib import Path

from deft_sweeps.config.axes import Lora, Training
from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.tasks.check import examine
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.tiny import save_tiny_encoder
from tests.whole_trial import run_trial

N_CLASSES = 300
TEXTS = [f"parcel {i} of matter {i % N_CLASSES}" for i in range(2 * N_CLASSES)]


def parcels(folder: Path, splits: Splits) -> FileTask:
    path = folder / "parcels.csv"
    rows = [f"{text},topic_{i % N_CLASSES}" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return FileTask(path=str(path), max_input_tokens=16, splits=splits)


def trained(task: FileTask, model: str, starter: TorchTrialStarter, like: TrialConfig) -> None:
    config = replace(
        like,
        task=task,
        model=model,
        peft=Lora(r=2, targets=("q", "v")),
        training=Training(steps=2, batch_size=4, learning_rate=1e-2),
    )
    assert len(starter.data(config).classes) == N_CLASSES
    result = run_trial(starter, config, 0)
    assert result.points[0].score.n_examples == task.splits.validation


def test_a_head_learns_three_hundred_classes(
    starter: TorchTrialStarter, tiny_config: TrialConfig, tmp_path: Path
) -> None:
    save_tiny_encoder(tmp_path / "bert", "bert", TEXTS)
    task = parcels(tmp_path, Splits(validation=40, test=40))
    assert not examine(task, "head").notes
    trained(task, str(tmp_path / "bert"), starter, tiny_config)


def test_a_model_that_writes_scores_three_hundred_names(
    starter: TorchTrialStarter, tiny_config: TrialConfig, tmp_path: Path
) -> None:
    task = parcels(tmp_path, Splits(validation=2, test=2))
    (note,) = examine(task, "text-to-text").notes
    assert note.startswith("300 classes: if two of their names begin alike, the decoder is run 300")
    assert without_secrets(note) == note
    trained(task, tiny_config.model, starter, tiny_config)
