"""`init` on files of every kind and ending: what it writes is what `validate` takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.cli.init import path_from
from deft_sweeps.config.data import FileTask
from deft_sweeps.specification.spec_reader import load_spec
from tests.cli_call import call
from tests.tables import write

N = 40
CONTEXTS = [f"In year {i} the river was crossed by bridge {i} near the town" for i in range(N)]


def labelled(i: int) -> dict[str, object]:
    return {"id": i, "review": CONTEXTS[i], "verdict": ("good", "bad")[i % 2]}


def paired(i: int) -> dict[str, object]:
    return {
        "idx": i,
        "premise": CONTEXTS[i],
        "hypothesis": f"a bridge {i}",
        "label": i % 2,
        "author": f"a{i % 7}",
    }


def numbered(i: int) -> dict[str, object]:
    return {"sentence": CONTEXTS[i], "score": i / 4}


def questioned(i: int) -> dict[str, object]:
    return {"question": f"What was crossed {i}?", "context": CONTEXTS[i], "answers": "the river"}


def summed(i: int) -> dict[str, object]:
    return {"document": CONTEXTS[i], "summary": f"a river and bridge {i}"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (labelled, {"task": "classification", "text": "review", "label": "verdict"}),
        (paired, {"text": "premise", "text_pair": "hypothesis", "label": "label"}),
        (numbered, {"task": "regression", "text": "sentence", "label": "score"}),
        (questioned, {"task": "qa", "question": "question", "context": "context"}),
        (summed, {"task": "text", "text": "document", "target": "summary"}),
    ],
)
def test_every_kind_of_task_in_every_kind_of_file(
    tmp_path: Path, ending: str, row: Callable[[int], dict[str, Any]], expected: dict[str, str]
) -> None:
    data, spec = write(tmp_path / f"d.{ending}", [row(i) for i in range(N)]), tmp_path / "d.yaml"
    done = call("init", data, "-o", spec)
    assert done.exit_code == 0, done.stderr
    task = load_spec(spec).combinations[0].template.task
    assert isinstance(task, FileTask)
    assert {name: getattr(task, name) for name in expected} == expected
    if ending == "csv":  # init itself has refused whatever `validate` would.
        assert call("validate", spec).stdout.startswith(f"{spec}: valid")
        assert done.stderr.endswith(f"next: deft-sweeps plan {spec}\n")


def test_says_what_it_chose_and_what_else_there_is(tmp_path: Path) -> None:
    rows = [
        paired(i) | {"note": f"a remark number {i}", "shop": "ab"[i % 2 * (i < 30)]}
        for i in range(N)
    ]
    done = call("init", write(tmp_path / "rte.csv", rows), "-o", tmp_path / "rte.yaml")
    assert done.stderr.splitlines() == [
        f"{tmp_path / 'rte.yaml'}: classification, text from column premise, second text from"
        " hypothesis, label from label (2 classes: 0, 1)",
        "decided by: label is named like a label, and has 2 classes",
        "other columns that can be the label: shop (--label COL)",
        "texts left out: note (--text COL or --pair COL)",
        "rows may belong together by author: see `group` in the spec, which keeps them in one"
        " split",
        "another kind of task: --task regression, qa or text",
        f"next: deft-sweeps plan {tmp_path / 'rte.yaml'}",
    ]
    task = load_spec(tmp_path / "rte.yaml").combinations[0].template.task
    assert isinstance(task, FileTask)
    assert "{text_pair}" in task.template


def test_what_validate_would_refuse_is_not_written(tmp_path: Path) -> None:
    rows = [labelled(i) | ({"review": " "} if i in (3, 5) else {}) for i in range(N)]
    data = write(tmp_path / "r.csv", rows)
    done = call("init", data, "-o", tmp_path / "r.yaml")
    assert done.exit_code == 2
    problem, besides = done.stderr.splitlines()
    assert problem.startswith(f"{data}: 2 of 40 rows have an empty review: row 4, 6")
    assert besides == (
        "no spec was written; it would have been classification, text from column review, label"
        " from verdict (2 classes: bad, good), since verdict holds values that come back, and has"
        " 2 classes"
    )
    assert not (tmp_path / "r.yaml").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", "a", "ends in .csv"),
        ("x.csv", "text,label\n", "no rows"),
        ("x.csv", "text;label\na;b\n", "text"),
        ("x.csv", "text,label,label\na,b,c\n", "label"),
        ("x.csv", "text,other\nlong text,1\nmore text,2\n", "'other' holds no texts, and as a"),
        ("x.jsonl", "{", "x.jsonl"),
    ],
)
def test_a_file_that_gives_no_clue_is_one_message(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    done = call("init", tmp_path / name, "-o", tmp_path / "x.yaml")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "x.yaml").exists()


def test_the_path_is_written_from_the_specs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "specs", "far/away"):
        (tmp_path / name).mkdir(parents=True)
    write(tmp_path / "data" / "my reviews.csv", [labelled(i) for i in range(N)])
    monkeypatch.chdir(tmp_path)
    assert call("init", "data/my reviews.csv", "-o", "specs/r.yaml").exit_code == 0
    task = load_spec("specs/r.yaml").combinations[0].template.task
    assert isinstance(task, FileTask)
    assert task.path == "../data/my reviews.csv"
    monkeypatch.chdir(tmp_path / "far")
    assert call("validate", "../specs/r.yaml").exit_code == 0
    # `..` of a link to a folder is not the folder that holds the link.
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    monkeypatch.chdir(tmp_path)
    data = Path("data/my reviews.csv")
    assert path_from(Path("link"), data) == str(tmp_path / data)
    assert path_from(Path(), data) == str(data)
    assert path_from(Path("specs"), tmp_path / data) == str(tmp_path / data)


def test_the_name_of_the_spec_is_the_datas_without_its_endings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "r.v2.csv", [labelled(i) for i in range(N)])
    monkeypatch.chdir(tmp_path)
    assert call("init", "r.v2.csv").exit_code == 0
    assert (tmp_path / "r.v2.yaml").is_file()
    assert load_spec("r.v2.yaml").name == "r"


def test_an_encoding_is_written_into_the_spec(tmp_path: Path) -> None:
    rows = "".join(f"voilà un texte {i},{'bon' if i % 2 else 'mauvais'}\n" for i in range(N))
    (tmp_path / "d.csv").write_bytes(f"text,label\n{rows}".encode("latin-1"))
    arguments = ("init", tmp_path / "d.csv", "-o", tmp_path / "d.yaml")
    assert "write `encoding: latin-1`" in call(*arguments).stderr
    assert call(*arguments, "--encoding", "latin-1").exit_code == 0
    assert call("validate", tmp_path / "d.yaml").exit_code == 0
    done = call(*arguments, "--force", "--encoding", "no-such")
    assert (done.exit_code, done.stderr) == (
        2,
        "--encoding: no encoding of texts is named no-such (utf-8, utf-16, latin-1 or cp1252,"
        " say)\n",
    )


def test_numbers_with_fractions_that_are_taken_for_classes_are_told(tmp_path: Path) -> None:
    rows = [labelled(i) | {"verdict": (i % 4) / 2} for i in range(N)]
    data = write(tmp_path / "d.csv", rows)
    done = call(
        "init", data, "-o", tmp_path / "d.yaml", "--label", "verdict", "--task", "classification"
    )
    assert "note: verdict holds numbers with fractions, which are 4 classes here" in done.stderr


def test_a_first_line_that_is_a_row_is_told(tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    lines = [f"a film of kind {'i' * i} worth seeing,{('good', 'bad')[i % 2]}" for i in range(N)]
    data.write_text("\n".join(lines) + "\n")
    done = call("init", data, "-o", tmp_path / "d.yaml")
    assert "the first line looks like a row: its 'good' is a class too" in done.stderr
