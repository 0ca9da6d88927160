"""GLUE and SQuAD by their hub names: a folder of that name in the hub's layout is read by
`datasets` as the hub itself is.
"""

import time
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from deft_sweeps.config.data import GlueTask, Splits, SquadTask, Task
from deft_sweeps.models.hub_reachability import hub_silence
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.task_data import load_task

SMALL = Splits(validation=4)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def publish(folder: Path, config: str, splits: dict[str, Dataset]) -> None:
    (folder / config).mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {config}", "  data_files:"]
    for split, rows in splits.items():
        rows.to_parquet(folder / config / f"{split}-00000-of-00001.parquet")
        lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


def glue_rows(split: str, n: int, hidden: bool = False) -> Dataset:
    features = Features(
        {
            "premise": Value("string"),
            "hypothesis": Value("string"),
            "label": ClassLabel(names=["entailment", "neutral", "contradiction"]),
            "idx": Value("int32"),
        }
    )
    rows: dict[str, list[Any]] = {
        "premise": [f"{split} premise {i}" for i in range(n)],
        "hypothesis": [f"{split} hypothesis {i}" for i in range(n)],
        "label": [-1 if hidden else i % 3 for i in range(n)],
        "idx": list(range(n)),
    }
    return Dataset.from_dict(rows, features=features)


def squad_rows(split: str, n: int) -> Dataset:
    context = [f"{split} tower {i} of Paris" for i in range(n)]
    answers = [
        {"text": ["Paris"] if i % 2 else [], "answer_start": [text.index("Paris")] if i % 2 else []}
        for i, text in enumerate(context)
    ]
    return Dataset.from_dict(
        {
            "question": [f"Where is {split} {i}?" for i in range(n)],
            "context": context,
            "answers": answers,
        }
    )


def test_glue(here: Path, packaged_model: str) -> None:
    sets = {"train": glue_rows("train", 20), "test_matched": glue_rows("hidden", 5, hidden=True)}
    sets |= {
        f"validation_{which}": glue_rows(which, n)
        for which, n in (("matched", 6), ("mismatched", 7))
    }
    publish(here / "nyu-mll" / "glue", "mnli", sets)
    matched, mismatched = (
        GlueTask(name=name, splits=SMALL) for name in ("mnli", "mnli-mismatched")
    )
    for task, which, n in ((matched, "matched", 6), (mismatched, "mismatched", 7)):
        splits = read_splits(task)
        assert (len(splits.train), len(splits.validation), len(splits.test)) == (16, 4, n)
        assert {e.text.split()[0] for e in splits.test} == {which}
        for e in splits.test:
            i = int(e.text.split()[-1])
            assert (e.second, e.label) == (
                f"{which} hypothesis {i}",
                ("entailment", "neutral", "contradiction")[i % 3],
            )
    one, other = (load_task(task, packaged_model) for task in (matched, mismatched))
    assert one.fingerprint != other.fingerprint
    assert one.classes == ("entailment", "neutral", "contradiction")
    assert len(other.test) == 7


def test_squad(here: Path) -> None:
    publish(
        here / "rajpurkar" / "squad_v2",
        "squad_v2",
        {"train": squad_rows("train", 20), "validation": squad_rows("dev", 6)},
    )
    task: Task = SquadTask(version="2.0", splits=SMALL)
    splits = read_splits(task)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (16, 4, 6)
    assert sum(not e.answers for e in splits.test) == 3
    assert all(e.second[start:] == "Paris" for e in splits.test for start in e.starts)


def test_a_hub_out_of_reach_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens at this port of this machine; offline is what the tests set, a user need not.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub_silence.cache_clear()
    start = time.perf_counter()
    (problem,) = check_task(SquadTask())
    hub_silence.cache_clear()
    assert problem.startswith("the data set rajpurkar/squad cannot be had")
    assert time.perf_counter() - start < 10
