"""The user's own data beyond classes of single texts: pairs, numbers, questions, texts to write,
and data sets of the hub.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.answers import place
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.files import read_examples
from deft_sweeps.tasks.prepare import columns, plan_of
from deft_sweeps.tasks.task_data import load_task

SMALL = Splits(validation=4, test=4)
FILL = "; fill it in, or leave the rows out"


def jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return str(path)


def pairs(n: int = 30) -> list[dict[str, Any]]:
    return [
        {"a": f"premise {i}", "b": f"claim {i}", "label": ("yes", "no")[i % 2], "stars": i / 4}
        for i in range(n)
    ]


def questions(n: int = 20) -> list[dict[str, Any]]:
    contexts = [f"Box {i} holds {i} apples and {i + 1} pears." for i in range(n)]
    return [
        {"question": f"What does box {i} hold?", "context": c, "answers": [f"{i} apples", "apples"]}
        for i, c in enumerate(contexts)
    ]


def test_pairs(packaged_model: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", pairs())
    task = FileTask(path=path, text="a", text_pair="b", splits=SMALL)
    data, splits, tokenizer = (
        load_task(task, packaged_model),
        read_splits(task),
        load_tokenizer(packaged_model),
    )
    assert (data.classes, data.metrics) == (("no", "yes"), ("accuracy",))
    for i, example in enumerate(splits.train):
        assert example.second == example.text.replace("premise", "claim")
        decoded = tokenizer.decode(data.train[i]["input_ids"], skip_special_tokens=True)
        assert decoded == f"text1: {example.text} text2: {example.second}"
    own = FileTask(
        path=path,
        text="a",
        text_pair="b",
        template="claim: {text_pair} given: {text}",
        splits=SMALL,
    )
    ids = load_task(own, packaged_model).train[0]["input_ids"]
    assert (
        tokenizer.decode(ids, skip_special_tokens=True)
        == f"claim: {splits.train[0].second} given: {splits.train[0].text}"
    )


def test_the_metric_of_ones_choice_is_the_score_and_the_tasks_own_stand_behind(
    packaged_model: str, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", pairs())
    task = FileTask(path=path, text="a", splits=SMALL)
    data, other = (
        load_task(replace(task, metric=name), packaged_model) for name in (None, "matthews")
    )
    assert data.metrics == ("accuracy",)
    assert other.metrics == ("matthews", "accuracy")
    assert other.fingerprint == data.fingerprint, "the same examples, so nothing is tokenised again"


def test_a_metric_that_does_not_suit_the_data_is_refused(tmp_path: Path) -> None:
    rows = [{**row, "label": "abc"[i % 3]} for i, row in enumerate(pairs())]
    three = FileTask(path=jsonl(tmp_path / "a.jsonl", rows), text="a", splits=SMALL, metric="f1")
    (problem,) = check_task(three)
    assert problem.startswith("metric: f1 needs 2 classes, train has 3 classes: a, b, c; take one")
    assert check_task(replace(three, metric="matthews")) == []
    (problem,) = check_task(replace(three, metric="bleu"))
    assert problem.startswith("metric: expected one of accuracy, ")


def test_pairs_for_a_head(head_tokenizer: Any, tmp_path: Path) -> None:
    task = FileTask(
        path=jsonl(tmp_path / "a.jsonl", pairs()), text="a", text_pair="b", splits=SMALL
    )
    splits = read_splits(task, "head")
    made = columns(plan_of(task, "head", splits, head_tokenizer), splits.train, 0, evaluated=False)
    tokenizer = head_tokenizer([e.text for e in splits.train], [e.second for e in splits.train])
    assert made["input_ids"] == tokenizer["input_ids"]
    assert ("token_type_ids" in made) == ("token_type_ids" in tokenizer)
    assert made["label"] == [int(e.label == "yes") for e in splits.train]
    assert "target_ids" not in made


def test_numbers(packaged_model: str, tmp_path: Path) -> None:
    task = FileTask(
        path=jsonl(tmp_path / "a.jsonl", pairs()),
        task="regression",
        text="a",
        label="stars",
        splits=SMALL,
    )
    data, tokenizer = load_task(task, packaged_model), load_tokenizer(packaged_model)
    assert (data.kind, data.metrics, data.classes) == ("regression", ("pearson", "spearman"), ())
    assert list(data.references["test"]) == [float(e.label) for e in read_splits(task).test]
    for row in data.train:
        assert float(tokenizer.decode(row["target_ids"], skip_special_tokens=True)) == row["label"]


def test_questions(packaged_model: str, tmp_path: Path) -> None:
    data = load_task(
        FileTask(path=jsonl(tmp_path / "a.jsonl", questions()), task="qa", splits=SMALL),
        packaged_model,
    )
    tokenizer = load_tokenizer(packaged_model)
    assert (data.kind, data.metrics, data.may_be_none) == (
        "span",
        ("exact_match", "token_f1"),
        False,
    )
    for i, row in enumerate(data.test):
        gold, other = data.references["test"][i]
        assert other == "apples"
        assert tokenizer.decode(row["target_ids"], skip_special_tokens=True) == gold
        assert f" holds {gold} and" in tokenizer.decode(row["input_ids"], skip_special_tokens=True)


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_answers_in_every_form(ending: str, tmp_path: Path) -> None:
    context = "one two one"
    forms: list[Any] = (
        [["one", "two"], [], None]
        if ending == ".parquet"
        else [["one", "two"], "two", "", None, [], [""]]
    )
    rows = [
        {"question": f"q{i}", "context": context, "answers": form} for i, form in enumerate(forms)
    ]
    if ending == ".parquet":
        path = str(tmp_path / "a.parquet")
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path = jsonl(tmp_path / "a.jsonl", rows)
    from deft_sweeps.tasks.files import read_file

    read = [
        (e.answers, e.starts)
        for e in read_file(Path(path), FileTask(path=path, task="qa")).examples
    ]
    none: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())
    assert read == (
        [(("one", "two"), (0, 4)), none, none]
        if ending == ".parquet"
        else [(("one", "two"), (0, 4)), (("two",), (4,))] + [none] * 4
    )


def test_an_answer_is_where_it_says_it_is_or_where_it_first_occurs() -> None:
    context = "one two one"
    assert (
        place("one", context, 8),
        place("one", context, 3),
        place("one", context),
        place("six", context),
    ) == (8, 0, 0, -1)
    path = FileTask(path="-", task="qa")
    row = ["Which?", context, {"text": ["one", " "], "answer_start": [8, 0]}]
    (made,) = read_examples([row], path).examples
    assert (made.answers, made.starts) == (("one",), (8,))


def test_texts_to_write(packaged_model: str, tmp_path: Path) -> None:
    rows = [{"text": f"long story {i}", "target": f"title {i}"} for i in range(20)]
    task = FileTask(
        path=jsonl(tmp_path / "a.jsonl", rows),
        task="text",
        template="summarize: {text}",
        max_target_tokens=4,
        splits=SMALL,
    )
    data, splits, tokenizer = (
        load_task(task, packaged_model),
        read_splits(task),
        load_tokenizer(packaged_model),
    )
    assert (data.kind, data.metrics) == ("text", ("token_f1", "exact_match"))
    for i, example in enumerate(splits.test):
        assert (
            list(data.references["test"][i])
            == list(example.answers)
            == [example.text.replace("long story", "title")]
        )
        ids = data.test[i]["target_ids"]
        assert len(ids) <= 4
        assert ids[-1] == tokenizer.eos_token_id
        assert (
            tokenizer.decode(data.test[i]["input_ids"], skip_special_tokens=True)
            == f"summarize: {example.text}"
        )
    assert check_task(task, "head") == [
        "a task of free text needs a model that writes (T5, T5 v1.1 and Flan-T5), not one with a"
        " head"
    ]


def test_every_problem_with_the_rows_is_told(tmp_path: Path) -> None:
    def problems_of(task: Any, rows: list[dict[str, Any]], **settings: Any) -> list[str]:
        path = jsonl(tmp_path / "a.jsonl", rows)
        form = settings.pop("form", None)
        return [
            line.removeprefix(f"{path}: ")
            for line in check_task(FileTask(path=path, task=task, splits=SMALL, **settings), form)
        ]

    assert problems_of(
        "classification", [*pairs(), {"a": "x", "b": " ", "label": "no"}], text="a", text_pair="b"
    ) == [f"1 of 31 rows have an empty b: row 31{FILL}"]
    assert problems_of(
        "regression",
        [*pairs(), {"a": "x", "stars": "many"}, {"a": "x", "stars": "nan"}],
        text="a",
        label="stars",
    ) == ["2 of 32 rows have a stars that is no number: row 31, 32; write it like 1, -0.5 or 1e-05"]
    assert problems_of("regression", [{"text": f"x{i}", "label": 2} for i in range(20)]) == [
        "column label has one number only, 2; expected two or more"
    ]
    assert problems_of("text", [{"text": "x", "target": ""}, {"text": "", "target": "y"}]) == [
        f"1 of 2 rows have an empty text: row 2{FILL}",
        f"1 of 2 rows have an empty target: row 1{FILL}",
    ]
    odd = [*questions(), {"question": "", "context": "a", "answers": "b"}]
    assert problems_of("qa", odd) == [f"1 of 21 rows have an empty question: row 21{FILL}"]
    assert (
        problems_of("qa", odd, form="head")[1]
        == "1 of 21 rows have answers that do not occur in the context: row 21; 0 of them differ by"
        " upper and lower case only; write them as the context has them, or take a model that"
        " writes (T5)"
    )
    assert problems_of("qa", [{"question": "a", "context": "b"}]) == [
        "no column answers; there are question, context"
    ]


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set in the hub's layout, which `datasets` reads as it reads the hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    for split, n in (("train", 30), ("validation", 8), ("test", 6)):
        jsonl(
            folder / f"{split}.jsonl",
            [{"text": f"{split} {i}", "label": f"l{i % 2}"} for i in range(n)],
        )
    return str(folder)


def test_a_hub_data_set(hub_folder: str, packaged_model: str) -> None:
    task = FileTask(hub=hub_folder, hub_test="test", splits=Splits(validation=5))
    splits = read_splits(task)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (25, 5, 6)
    data = load_task(task, packaged_model)
    assert data.classes == ("l0", "l1")
    assert data.fingerprint == load_task(task, packaged_model).fingerprint
    assert (
        data.fingerprint
        != load_task(
            FileTask(hub=hub_folder, hub_test="validation", splits=Splits(validation=5)),
            packaged_model,
        ).fingerprint
    )
    own = read_splits(
        FileTask(
            hub=hub_folder,
            hub_validation="validation",
            hub_test="test",
            splits=Splits(validation=None),
        )
    )
    assert {e.text.split()[0] for e in own.validation} == {"validation"}


def test_what_a_hub_data_set_lacks(hub_folder: str) -> None:
    assert check_task(FileTask(hub=hub_folder, text="review")) == [
        f"{hub_folder}, split train: no column review; there are text, label"
    ]
    (problem,) = check_task(FileTask(hub=hub_folder, hub_test="dev"))
    assert 'Unknown split "dev"' in problem
    (problem,) = check_task(FileTask(hub="some-owner/no-such-set", hub_test="test"))
    assert problem.startswith("the data set some-owner/no-such-set cannot be had")


def test_a_hub_data_set_of_several_configurations_names_them(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    jsonl(folder / "a.jsonl", [{"text": "x", "label": "y"}])
    configs = "".join(
        f"- config_name: {name}\n  data_files: a.jsonl\n" for name in ("small", "large")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    (problem,) = check_task(FileTask(hub=str(folder)))
    assert "'small'" in problem
    assert "'large'" in problem
    (problem,) = check_task(FileTask(hub=str(folder), hub_config="tiny"))
    assert f"{folder} (tiny) cannot be had" in problem


def test_classes_of_the_hub_are_read_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    from deft_sweeps.tasks.hub_dataset import hub_rows

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    (tmp_path / "set").mkdir()
    Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features).to_parquet(
        tmp_path / "set" / "train.parquet"
    )
    assert list(hub_rows(str(tmp_path / "set"), None, "train", ["label", "text"])) == [
        ["good", "a"],
        ["bad", "b"],
        ["", "c"],
    ]


def test_checking_files_of_any_task_loads_no_heavy_library(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", questions())
    code = (
        "import sys; from deft_sweeps.config.data import *; from deft_sweeps.tasks.check import"
        f" check_task; assert check_task(FileTask(path={path!r}, task='qa',"
        " splits=Splits(validation=4))) == []; assert not {'torch', 'transformers', 'datasets',"
        " 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either path or hub"),
        ({"path": "a.csv", "hub": "b"}, "either path or hub"),
        ({"hub": "b", "test_path": "a.csv"}, "hub_validation and hub_test beside hub"),
        ({"path": "a.csv", "hub_test": "test"}, "no settings of the hub beside path"),
        ({"path": "a.csv", "template": "{text} {text_pair}"}, "if and only if text_pair is set"),
        (
            {"path": "a.csv", "text_pair": "b", "template": "{text}!"},
            "if and only if text_pair is set",
        ),
        ({"path": "a.csv", "task": "qa", "max_input_tokens": 31}, "max_input_tokens >= 32"),
        ({"path": "a.csv", "task": "qa", "doc_stride": 64}, "doc_stride < max_input_tokens / 2"),
        ({"path": "a.csv", "max_target_tokens": 1}, "max_target_tokens >= 2"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FileTask(**settings)
