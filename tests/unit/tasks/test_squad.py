"""SQuAD in small files of its official layout."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from deft_sweeps.config.data import Splits, SquadTask
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.prepare import columns, plan_of
from deft_sweeps.tasks.task_data import load_task

SMALL = Splits(validation=6)


def question(text: str, context: str, *answers: str) -> dict[str, Any]:
    golds = [{"text": answer, "answer_start": context.index(answer)} for answer in answers]
    return {"question": text, "id": text, "answers": golds, "is_impossible": not golds}


def written(folder: Path, version: str = "1.1", n: int = 15) -> Path:
    """Paragraphs with two questions each; in version 2.0 every second question has no answer."""
    for stem, size in (("train", n), ("dev", 5)):
        paragraphs = []
        for i in range(size):
            context = (
                f"The {stem} tower number {i} was built in {1900 + i} by the company of Eiffel in"
                " Paris."
            )
            none = version == "2.0"
            qas = [
                question(f"When was {stem} {i} built?", context, str(1900 + i), f"in {1900 + i}")
            ]
            qas += [
                question(
                    f"Who built {stem} {i}?",
                    context,
                    *(() if none else ("the company of Eiffel", "Eiffel")),
                )
            ]
            paragraphs.append({"context": context, "qas": qas})
        data = {"version": version, "data": [{"title": "Towers", "paragraphs": paragraphs}]}
        (folder / f"{stem}-v{version}.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_official_files_of_both_versions(tmp_path: Path) -> None:
    one = read_splits(SquadTask(folder=str(written(tmp_path)), splits=SMALL))
    two = read_splits(SquadTask(version="2.0", folder=str(written(tmp_path, "2.0")), splits=SMALL))
    for splits in (one, two):
        assert (len(splits.train), len(splits.validation), len(splits.test)) == (24, 6, 10)
        assert not {e.second for e in splits.train} & {e.second for e in splits.validation}
    for example in one.test:
        assert len(example.answers) == 2
        assert all(
            example.second.startswith(text, start)
            for text, start in zip(example.answers, example.starts, strict=True)
        )
    assert sum(not e.answers for e in two.test) == 5


def test_the_hub_s_files_read_alike(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "hub" / "plain_text").mkdir(parents=True)
    for stem, name in (("train", "train"), ("dev", "validation")):
        paragraphs = json.loads((tmp_path / f"{stem}-v1.1.json").read_text())["data"][0][
            "paragraphs"
        ]
        rows = [
            {
                "question": question["question"],
                "context": paragraph["context"],
                "answers": {
                    key: [answer[of] for answer in question["answers"]]
                    for key, of in (("text", "text"), ("answer_start",) * 2)
                },
            }
            for paragraph in paragraphs
            for question in paragraph["qas"]
        ]
        parquet.write_table(
            pa.Table.from_pylist(rows),
            tmp_path / "hub" / "plain_text" / f"{name}-00000-of-00001.parquet",
        )
    official = read_splits(SquadTask(folder=str(tmp_path), splits=SMALL))
    assert read_splits(SquadTask(folder=str(tmp_path / "hub"), splits=SMALL)) == official


def test_files_that_are_not_squad_s(tmp_path: Path) -> None:
    problems = check_task(SquadTask(folder=str(tmp_path)))
    assert problems == [
        f"{tmp_path}: no train-v1.1.json, nor train as jsonl or parquet",
        f"{tmp_path}: no dev-v1.1.json, nor dev or validation as jsonl or parquet",
    ]
    written(tmp_path, "2.0")
    for stem in ("train", "dev"):
        (tmp_path / f"{stem}-v2.0.json").rename(tmp_path / f"{stem}-v1.1.json")
    problems = check_task(SquadTask(folder=str(tmp_path)))
    assert (
        problems[0]
        == f"{tmp_path}/train-v1.1.json: 15 of 30 questions have no answer; is it of version 2.0?"
    )
    (tmp_path / "train-v1.1.json").write_text('{"data": [{"paragraphs": [{"context": "x"}]}]}')
    (tmp_path / "dev-v1.1.json").write_text('{"data": [')
    first, second = check_task(SquadTask(folder=str(tmp_path)))
    assert first == (
        f"{tmp_path}/train-v1.1.json: neither rows nor a file of SQuAD's (data, paragraphs,"
        " qas): KeyError('qas')"
    )
    assert second.startswith(f"{tmp_path}/dev-v1.1.json:1: not JSON: ")
    (told_of_hub,) = check_task(SquadTask(version="2.0"))
    assert told_of_hub.startswith("the data set rajpurkar/squad_v2 cannot be had")


def test_text_to_text(packaged_model: str, tmp_path: Path) -> None:
    task = SquadTask(
        version="2.0",
        folder=str(written(tmp_path, "2.0")),
        max_input_tokens=40,
        doc_stride=8,
        splits=SMALL,
    )
    data, splits, tokenizer = (
        load_task(task, packaged_model),
        read_splits(task),
        load_tokenizer(packaged_model),
    )
    assert (data.kind, data.form, data.metrics, data.may_be_none) == (
        "span",
        "text-to-text",
        ("exact_match", "token_f1"),
        True,
    )
    assert data.metric == "exact_match"
    written(tmp_path)
    assert not load_task(SquadTask(folder=str(tmp_path), splits=SMALL), packaged_model).may_be_none
    assert len(data.validation) == len(splits.validation)
    for i, example in enumerate(splits.validation):
        row = data.validation[i]
        assert len(row["input_ids"]) <= 40
        assert tokenizer.decode(row["input_ids"], skip_special_tokens=True).startswith(
            f"question: {example.text} context: The train"
        )
        assert tokenizer.decode(row["target_ids"], skip_special_tokens=True) == (
            example.answers[0] if example.answers else ""
        )
        assert row["target_ids"][-1] == tokenizer.eos_token_id
        assert tuple(data.references["validation"][i]) == example.answers


def test_windows_for_a_head(head_tokenizer: Any, tmp_path: Path) -> None:
    task = SquadTask(
        folder=str(written(tmp_path)), max_input_tokens=64, doc_stride=20, splits=SMALL
    )
    splits = read_splits(task, "head")
    plan = plan_of(task, "head", splits, head_tokenizer)
    made = columns(plan, splits.test[4:], 4, evaluated=True)
    assert set(made["example"]) == set(range(4, 10))
    answers = {
        (which, splits.test[which].second[begins[start] : ends[end]].strip())
        for which, begins, ends, start, end in zip(
            made["example"], made["begins"], made["ends"], made["start"], made["end"], strict=True
        )
        if start
    }
    assert answers == {(i, splits.test[i].answers[0]) for i in range(4, 10)}
    trained = columns(plan, splits.train[:3], 0, evaluated=False)
    assert not {"begins", "ends", "target_ids"} & set(trained)
