"""GLUE in small files of the layouts that it comes in: its own archive's tables, and the hub's
files.
"""

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest
from pyarrow import parquet

from deft_sweeps.config.data import GlueName, GlueTask, Splits
from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.glue import GLUE, glue_files, read_glue
from deft_sweeps.tasks.task_data import load_task

SMALL = Splits(validation=6)

# Header of GLUE's own files, and a row of them from two texts and a label; the label there is a
# word, an index or a number.
ARCHIVE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "cola": ("", "gj04\t{y}\t\t{a}", ("0", "1")),
    "sst2": ("sentence\tlabel", "{a}\t{y}", ("0", "1")),
    "mrpc": ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{y}\t7\t8\t{a}\t{b}", ("0", "1")),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tnews\tf\t2012\t1\tnone\tnone\t{a}\t{b}\t{y}",
        ("1.333", "4.800"),
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "1\t2\t3\t{a}\t{b}\t{y}",
        ("0", "1"),
    ),
    "mnli": (
        "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
        "0\t1\t1e\tfiction\t{a}\t{b}\tneutral\t{y}",
        ("entailment", "neutral", "contradiction"),
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel",
        "0\t{a}\t{b}\t{y}",
        ("entailment", "not_entailment"),
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel",
        "0\t{a}\t{b}\t{y}",
        ("entailment", "not_entailment"),
    ),
}
ARCHIVE["mnli-mismatched"] = ARCHIVE["mnli"]
NAMES = get_args(GlueName)


def archived(name: GlueName, folder: Path, n: int = 24) -> Path:
    """The task as GLUE's own archive has it, with quotes that are no quotes."""
    header, row, labels = ARCHIVE[name]
    place = folder / GLUE[name].folder
    place.mkdir(parents=True)
    sets = (
        {"train": n, "dev_matched": 6, "dev_mismatched": 9}
        if "mnli" in name
        else {"train": n, "dev": 6}
    )
    for stem, size in sets.items():
        lines = [
            row.format(
                a=f'He said "{stem} {i}',
                b=f"Then {stem} number {i} \"' came",
                y=labels[i % len(labels)],
            )
            for i in range(size)
        ]
        (place / f"{stem}.tsv").write_text(
            "\n".join([header] * bool(header) + lines) + "\n", encoding="utf-8"
        )
    return folder


def hubbed(name: GlueName, folder: Path) -> Path:
    """The task as the hub has it: parquet with class indices, the training set in two files."""
    of = GLUE[name]
    place = folder / of.hub
    place.mkdir(parents=True)
    for stem, which in (
        ("train-00000-of-00002", 0),
        ("train-00001-of-00002", 1),
        (f"{of.test[0]}-00000-of-00001", 2),
    ):
        rows = [
            {text: f"{text} {which} {i}" for text in of.texts}
            | {"label": i % len(of.classes) if of.classes else i / 3, "idx": i}
            for i in range(12)
        ]
        parquet.write_table(pa.Table.from_pylist(rows), place / f"{stem}.parquet")
    return folder


def test_all_of_glue_is_here() -> None:
    assert len({of.hub for of in GLUE.values()}) == 8
    assert set(GLUE) == set(NAMES) == set(ARCHIVE)
    metrics = {name: of.metrics for name, of in GLUE.items()}
    assert metrics.pop("cola") == ("matthews",)
    assert metrics.pop("stsb") == ("pearson", "spearman")
    assert metrics.pop("mrpc") == metrics.pop("qqp") == ("accuracy", "f1")
    assert set(metrics.values()) == {("accuracy",)}


@pytest.mark.parametrize("name", NAMES)
def test_the_archive_s_files(name: GlueName, tmp_path: Path) -> None:
    folder = archived(name, tmp_path)
    of, labels = GLUE[name], ARCHIVE[name][2]
    splits = read_splits(GlueTask(name=name, folder=str(folder), splits=SMALL))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (
        18,
        6,
        9 if name == "mnli-mismatched" else 6,
    )
    stem = of.test[1]
    for example in splits.test:
        i = int(example.text.rsplit(" ", 1)[1])
        assert example.text == f'He said "{stem} {i}'
        assert example.second == (f"Then {stem} number {i} \"' came" if len(of.texts) > 1 else "")
        assert example.label == (
            labels[i % len(labels)] if labels[0] not in ("0", "1") else of.classes[i % 2]
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_hub_s_files(name: GlueName, tmp_path: Path) -> None:
    of = GLUE[name]
    splits = read_splits(GlueTask(name=name, folder=str(hubbed(name, tmp_path)), splits=SMALL))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 6, 12)
    for example in splits.test:
        i = int(example.text.rsplit(" ", 1)[1])
        assert example.text == f"{of.texts[0]} 2 {i}"
        assert example.label == (of.classes[i % len(of.classes)] if of.classes else str(i / 3))
    # Nothing of the folder's path is told, so the folder of the task itself does as well.
    assert read_splits(GlueTask(name=name, folder=str(tmp_path / of.hub), splits=SMALL)) == splits


def test_zipped_tables_and_jsonl(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "train.tsv.gz", "wt") as file:
        file.write(
            "sentence\tlabel\r\n" + "".join(f"a film {i},\ragain \t{i % 2}\r\n" for i in range(30))
        )
    (tmp_path / "validation.jsonl").write_text(
        "".join(json.dumps({"sentence": f"other {i}", "label": i % 2}) + "\n" for i in range(5))
    )
    splits = read_splits(GlueTask(name="sst2", folder=str(tmp_path), splits=SMALL))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (24, 6, 5)
    assert {example.label for example in splits.test} == {"negative", "positive"}
    assert not any(example.text.endswith(" ") for example in splits.train)


def test_a_premise_is_never_in_both_train_and_validation(tmp_path: Path) -> None:
    place = tmp_path / "RTE"
    place.mkdir()
    rows = [
        f"{i}\tpremise {i // 3}\thypothesis {i}\t{('entailment', 'not_entailment')[i % 2]}"
        for i in range(60)
    ]
    (place / "train.tsv").write_text("\n".join([ARCHIVE["rte"][0], *rows]))
    (place / "dev.tsv").write_text(
        "\n".join([ARCHIVE["rte"][0], *(row.replace("hypothesis", "other") for row in rows[:6])])
    )
    splits = read_splits(GlueTask(name="rte", folder=str(tmp_path), splits=SMALL))
    assert not {e.text for e in splits.train} & {e.text for e in splits.validation}
    # GLUE's own two sets stay as they are, whatever sentences they share.
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (54, 6, 6)


def test_validation_of_sst2_is_of_whole_sentences_that_training_has_no_phrase_of(
    tmp_path: Path,
) -> None:
    (tmp_path / "SST-2").mkdir()
    rows = [
        f"film {i} is , all in all , fun \t1\n" + f"film {i} \t0\nall in all , fun \t1\n"
        for i in range(20)
    ]
    for stem in ("train", "dev"):
        (tmp_path / "SST-2" / f"{stem}.tsv").write_text(
            "sentence\tlabel\n" + "".join(row.replace("film", stem) for row in rows)
        )
    splits = read_splits(GlueTask(name="sst2", folder=str(tmp_path), splits=SMALL))
    assert all(e.text.endswith("is , all in all , fun") for e in splits.validation)
    # GLUE's own validation set is taken as it is, but for the text that it shares with training,
    # which training loses.
    assert len(splits.test) == 60
    texts = {e.text for e in splits.train}
    assert texts == {
        text for i in range(20) for text in (f"train {i} is , all in all , fun", f"train {i}")
    } - {text for e in splits.validation for text in (e.text, " ".join(e.text.split()[:2]))}


def test_files_that_are_not_the_task_s(tmp_path: Path) -> None:
    (problem,) = [check_task(GlueTask(name="mnli", folder=str(tmp_path)))]
    assert [line.split(" (")[0] for line in problem] == [
        f"{tmp_path}: no train",
        f"{tmp_path}: no validation_matched or dev_matched",
    ]
    archived("qnli", tmp_path)
    with pytest.raises(
        DataError,
        match=(
            r"train\.tsv: no column sentence1 or #1 String, sentence2 or #2 String; there are"
            r" index, question"
        ),
    ):
        read_glue("rte", glue_files("rte", tmp_path / "QNLI")["train"])
    path = tmp_path / "QNLI" / "train.tsv"
    path.write_text(path.read_text() + "9\tWho?\tHe did.\tperhaps\n")
    assert check_task(GlueTask(name="qnli", folder=str(tmp_path))) == [
        f"{path}: row 25 has the label 'perhaps', which is none of qnli's"
    ]
    path.write_text("index\tquestion\tsentence\tlabel\n" + "9\tWho?\n" * 5)
    assert check_task(GlueTask(name="qnli", folder=str(tmp_path))) == [
        f"{path}: 5 of 5 rows lack a text or a label; is it the qnli of GLUE?"
    ]


def test_a_few_broken_lines_are_passed_over(tmp_path: Path) -> None:
    archived("qqp", tmp_path, n=30)
    path = tmp_path / "QQP" / "train.tsv"
    path.write_text(path.read_text() + "1\t2\tbroken\n")
    assert len(read_glue("qqp", [path])) == 30


def test_without_a_folder_it_is_the_hub_s_and_a_missing_hub_is_told_once() -> None:
    (problem,) = check_task(GlueTask(name="cola"))
    assert problem.startswith("the data set nyu-mll/glue (cola) cannot be had")
    assert problem.endswith("or name a folder with its files")


def decoded(model: str, ids: Any) -> str:
    text: str = load_tokenizer(model).decode(ids, skip_special_tokens=True)
    return text


@pytest.mark.parametrize(
    ("name", "prompt", "target"),
    [
        ("cola", 'cola sentence: He said "{s}', "acceptable"),
        ("sst2", 'sst2 sentence: He said "{s}', "positive"),
        ("mrpc", 'mrpc sentence1: He said "{s} sentence2: Then {t} "\' came', "equivalent"),
        ("stsb", 'stsb sentence1: He said "{s} sentence2: Then {t} "\' came', "4.8"),
        ("qqp", 'qqp question1: He said "{s} question2: Then {t} "\' came', "duplicate"),
        ("mnli", 'mnli hypothesis: Then {t} "\' came premise: He said "{s}', "neutral"),
        ("qnli", 'qnli question: He said "{s} sentence: Then {t} "\' came', "not_entailment"),
        ("rte", 'rte sentence1: He said "{s} sentence2: Then {t} "\' came', "not_entailment"),
    ],
)
def test_text_to_text_as_t5_learned_it(
    name: GlueName, prompt: str, target: str, packaged_model: str, tmp_path: Path
) -> None:
    data = load_task(
        GlueTask(name=name, folder=str(archived(name, tmp_path)), splits=SMALL), packaged_model
    )
    of = GLUE[name]
    stem = of.test[1]
    inputs = [decoded(packaged_model, ids) for ids in data.test["input_ids"]]
    place = inputs.index(prompt.format(s=f"{stem} 1", t=f"{stem} number 1"))
    assert decoded(packaged_model, data.test[place]["target_ids"]) == target
    assert (data.classes, data.metrics, data.form) == (of.classes, of.metrics, "text-to-text")
    assert data.kind == ("regression" if name == "stsb" else "classification")
    assert list(data.references["test"]) == data.test["label"][:]
    assert data.test["example"][:] == list(range(6))
    if of.classes:
        assert data.test[place]["label"] == of.classes.index(target)
        assert [list(data.class_ids[label]) for label in data.test["label"]] == data.test[
            "target_ids"
        ][:]
    else:
        assert data.test[place]["label"] == 4.8
        assert {decoded(packaged_model, ids) for ids in data.test["target_ids"]} == {"1.4", "4.8"}
