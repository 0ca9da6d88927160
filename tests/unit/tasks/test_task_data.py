import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from deft_sweeps.cache import cache_folder
from deft_sweeps.config.data import FileTask, PackagedTask, Splits
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_model, load_tokenizer
from deft_sweeps.tasks.batches import collate
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.task_data import load_task


def test_the_packaged_task_in_tokens(packaged_model: str) -> None:
    task = PackagedTask()
    data, texts, tokenizer = (
        load_task(task, packaged_model),
        read_splits(task),
        load_tokenizer(packaged_model),
    )
    assert (data.classes, data.class_ids, data.metric) == (
        ("negative", "positive"),
        ((2841, 1), (1465, 1)),
        "accuracy",
    )
    for split, examples in (
        (data.train, texts.train),
        (data.validation, texts.validation),
        (data.test, texts.test),
    ):
        assert split["label"][:] == [data.classes.index(example.label) for example in examples]
        ids = split["input_ids"][:]
        assert all(i[-1] == 1 and len(i) <= task.max_input_tokens for i in ids)
        short = next(i for i in ids if len(i) < 20)
        text = examples[ids.index(short)].text
        assert (
            tokenizer.decode(short, skip_special_tokens=True).split()
            == f"sentiment: {text}".split()
        )
    assert len(data.test) >= 1000


def test_it_is_tokenised_once_and_memory_mapped(packaged_model: str) -> None:
    first = load_task(PackagedTask(), packaged_model)
    folder = cache_folder() / "tasks" / first.fingerprint
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = load_task(PackagedTask(), packaged_model)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == stamps
    assert [file["filename"] for file in again.train.cache_files] == [str(folder / "train.arrow")]
    assert (again.fingerprint, again.train[5]) == (first.fingerprint, first.train[5])


def test_the_fingerprint_follows_content_and_settings_not_the_path(
    packaged_model: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text,label\n" + "\n".join(f"text {i},{'yes' if i % 2 else 'no'}" for i in range(40))
    )
    shutil.copy(path, tmp_path / "b.csv")
    task = FileTask(path=str(path), splits=Splits(validation=4))

    def fingerprint(**other: Any) -> str:
        settings: dict[str, Any] = {"path": str(path), "splits": Splits(validation=4), **other}
        return load_task(FileTask(**settings), packaged_model).fingerprint

    loaded = load_task(task, packaged_model)
    assert fingerprint(path=str(tmp_path / "b.csv")) == loaded.fingerprint
    assert fingerprint(max_input_tokens=16) != loaded.fingerprint
    assert fingerprint(splits=Splits(validation=5)) != loaded.fingerprint
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (28, 4, 8)
    path.write_text(path.read_text() + "\nextra,yes\n")
    assert fingerprint() != loaded.fingerprint


def test_relative_paths_are_from_the_working_directory(
    packaged_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.tsv").write_text(
        "text\tlabel\n" + "\n".join(f"text {i}\t{i % 2}" for i in range(30))
    )
    monkeypatch.chdir(tmp_path)
    data = load_task(FileTask(path="mine.tsv", splits=Splits(validation=4)), packaged_model)
    assert data.classes == ("0", "1")
    assert (
        load_tokenizer(packaged_model)
        .decode(data.train[0]["input_ids"], skip_special_tokens=True)
        .startswith("text ")
    )


def test_data_that_cannot_be_used_leaves_no_cache(packaged_model: str, tmp_path: Path) -> None:
    before = (
        set(os.listdir(cache_folder() / "tasks")) if (cache_folder() / "tasks").is_dir() else set()
    )
    path = tmp_path / "bad.csv"
    path.write_text("text,label\na,x\nb,x\n")
    with pytest.raises(DataError, match="one class only"):
        load_task(FileTask(path=str(path)), packaged_model)
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        load_task(FileTask(path=str(tmp_path / "none.csv")), packaged_model)
    assert [
        name
        for name in set(os.listdir(cache_folder() / "tasks")) - before
        if not name.endswith(".lock")
    ] == []


def test_chunks_make_no_difference(
    tiny_config: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "asked.jsonl"
    rows = [
        {
            "question": f"Where is {i}?",
            "context": f"{i} is in box {i}",
            "answers": [f"box {i}"] if i % 3 else [],
        }
        for i in range(40)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    task = FileTask(path=str(path), task="qa", max_input_tokens=32, splits=Splits(validation=9))

    def everything(folder: str) -> list[object]:
        monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path / folder))
        data = load_task(task, tiny_config.model)
        assert data.may_be_none
        parts = [data.train, data.validation, data.test, *data.references.values()]
        return [part[:] for part in parts]

    whole = everything("whole")
    monkeypatch.setattr("deft_sweeps.tasks.task_data._CHUNK", 4)
    assert everything("chunks") == whole


def test_the_model_tells_good_from_bad_without_training(packaged_model: str) -> None:
    data, model = load_task(PackagedTask(), packaged_model), load_model(packaged_model, "fp32")
    right = 0
    for begin in range(0, 100, 50):
        batch = collate([data.validation[i] for i in range(begin, begin + 50)], data.class_ids, 0)
        with torch.inference_mode():
            logits = model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
            ).logits
        guess = logits[:, 0, [ids[0] for ids in data.class_ids]].argmax(-1)
        right += int((guess == batch.label_class).sum())
    # 0.775 on 1,000 training examples; 0.65 is three standard errors of these 100 below; always
    # `positive` scores 0.58.
    assert right / 100 > 0.65
