"""Every kind of task in a spec's YAML."""

from typing import get_args, get_type_hints

import jsonschema
import pytest
from ruamel.yaml import YAML

from deft_sweeps.config.data import (
    FileTask,
    GlueTask,
    PackagedTask,
    Splits,
    SquadTask,
    Task,
    task_kind,
    task_name,
)
from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.yaml_schema import json_schema, task_kinds

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
SPEC = "name: x\ntask: {}\nspace: {{}}\nbudget: {{trials: 1}}\n"


def task_of(text: str) -> Task:
    return parse_spec(SPEC.format(text), "x.yaml").combinations[0].template.task


def message(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        task_of(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "task", "kind", "name"),
    [
        ("rotten-tomatoes", PackagedTask(), "classification", "rotten-tomatoes"),
        ("{kind: glue, name: stsb}", GlueTask(name="stsb"), "regression", "glue/stsb"),
        (
            "{kind: glue, name: mnli-mismatched, folder: ~/glue, splits: {train: 9}}",
            GlueTask(name="mnli-mismatched", folder="~/glue", splits=Splits(train=9)),
            "classification",
            "glue/mnli-mismatched",
        ),
        ("{kind: squad}", SquadTask(), "span", "squad 1.1"),
        (
            "{kind: squad, version: '2.0', doc_stride: 64}",
            SquadTask(version="2.0", doc_stride=64),
            "span",
            "squad 2.0",
        ),
        (
            "{kind: files, path: a.csv, task: qa}",
            FileTask(path="a.csv", task="qa"),
            "span",
            "a.csv",
        ),
        (
            "{kind: files, hub: imdb, hub_test: test}",
            FileTask(hub="imdb", hub_test="test"),
            "classification",
            "imdb",
        ),
        (
            "{kind: files, path: a.csv, task: text, text_pair: null}",
            FileTask(path="a.csv", task="text"),
            "text",
            "a.csv",
        ),
        ("{kind: files, path: a.csv, task: regression, text_pair: b}", None, "regression", "a.csv"),
    ],
)
def test_a_task_reads_as_its_dataclass(text: str, task: Task | None, kind: str, name: str) -> None:
    read = task_of(text)
    assert task is None or read == task
    assert (task_kind(read), task_name(read)) == (kind, name)
    VALIDATOR.validate(YAML(typ="safe", pure=True).load(SPEC.format(text)))


def test_every_setting_of_every_kind_is_there() -> None:
    assert set(task_kinds().values()) == set(get_args(Task))
    for of in get_args(Task):
        properties = json_schema()["$defs"][of.__name__]["properties"]
        assert set(properties) == set(get_type_hints(of))
        assert all(
            p.get("description") for name, p in properties.items() if name not in ("kind", "splits")
        ), of


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{kind: glue}", "x.yaml:2:7: expected the key `name` of task, which is not there"),
        (
            "{kind: glue, name: sst}",
            (
                "expected one of cola, sst2, mrpc, stsb, qqp, mnli, mnli-mismatched, qnli, rte, got"
                ' "sst"'
            ),
        ),
        (
            "{kind: squad, version: 2.0}",
            "x.yaml:2:30: expected one of 1.1, 2.0, got 2.0; write it in quotes, '2.0'",
        ),
        ("{kind: squad, doc_stride: 200}", "0 <= doc_stride < max_input_tokens / 2"),
        ("{kind: files}", "expected either path or hub, got 'neither'"),
        ("{kind: glu}", "with `kind`, one of packaged, files, glue, squad, and its settings"),
        (
            "{kind: files, path: a.csv, metric: acuracy}",
            "x.yaml:2:42: expected one of accuracy, ",
        ),
        ("{kind: files, path: a.csv, metric: acuracy}", "(did you mean accuracy?)"),
        (
            "{kind: files, path: a.csv, task: regression, metric: accuracy}",
            "expected one of pearson, spearman, since the task answers with a number, got 'acc",
        ),
        ("{kind: glue, name: rte, metric: f1}", "`metric`"),
        (
            "{kind: files, path: a.csv, task: pairs}",
            'expected one of classification, regression, qa, text, got "pairs"',
        ),
    ],
)
def test_what_is_wrong_with_a_task_is_reported_at_its_place(text: str, what: str) -> None:
    assert what in message(text)


def test_a_task_from_before_the_others_keeps_its_id() -> None:
    from deft_sweeps.config.trial import TrialConfig, canonical

    assert canonical(TrialConfig(task=FileTask(path="a.csv")))["task"] == {
        "kind": "files",
        "path": "a.csv",
    }
