import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.config.data import FileTask, PackagedTask, Splits
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.check import check_task, read_splits
from deft_sweeps.tasks.split_check import shared_rows

SMALL = Splits(validation=4, test=4)
FILL = "; fill it in, or leave the rows out"
HEADER = "; line 1 has to name the columns: if it is a row, write a header above it"


def write(folder: Path, rows: list[str], name: str = "data.csv", header: str = "text,label") -> str:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def sound(n: int = 40, word: str = "text") -> list[str]:
    return [f"{word} number {i},{'good' if i % 2 else 'bad'}" for i in range(n)]


def test_sound_tasks_have_no_problem(tmp_path: Path) -> None:
    assert check_task(PackagedTask()) == []
    assert check_task(FileTask(path=write(tmp_path, sound()), splits=SMALL)) == []


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    task = FileTask(
        path=write(tmp_path, ["a,x", " ,x", "c,", "d,x"]),
        validation_path=str(tmp_path / "none.csv"),
        test_path=write(tmp_path, ["1,2"], "test.csv", "review,stars"),
    )
    first, second, third, fourth, fifth = check_task(task)
    assert first == f"{task.path}: 1 of 4 rows have an empty text: row 2{FILL}"
    assert second == f"{task.path}: 1 of 4 rows have an empty label: row 3{FILL}"
    assert third.startswith(f"{tmp_path}/none.csv: no such file")
    assert fourth == f"{task.test_path}: no column text, label; there are review, stars{HEADER}"
    assert fifth.startswith(
        f"{task.path}: column label has one class only, 'x'; expected two or more; add rows of"
    )
    with pytest.raises(DataError) as raised:
        read_splits(task)
    assert str(raised.value).splitlines() == [first, second, third, fourth, fifth]


def test_a_column_of_texts_is_no_label(tmp_path: Path) -> None:
    rows = [f"{i % 2},review number {i}" for i in range(60)]
    (problem,) = check_task(FileTask(path=write(tmp_path, rows), splits=SMALL))
    assert (
        "has 60 distinct values in 60 rows, 60 of them in one row only ('review number" in problem
    )
    assert "are they labels? Name the column of the classes as `label`" in problem


def test_a_column_of_measurements_is_of_a_regression(tmp_path: Path) -> None:
    rows = [f"review number {i},{i / 7}" for i in range(60)]
    (problem,) = check_task(FileTask(path=write(tmp_path, rows), splits=SMALL))
    assert "or write `task: regression`" in problem


def test_the_number_of_classes_has_no_limit(tmp_path: Path) -> None:
    rows = [f"parcel {i} of {i % 300},topic_{i % 300}" for i in range(1500)]
    task = FileTask(path=write(tmp_path, rows), splits=Splits(validation=300, test=300))
    splits = read_splits(task)
    assert len({row.label for row in splits.train}) == 300


def test_rare_classes_stay_in_train(tmp_path: Path) -> None:
    rare = [f"rare {i},rare_{i}" for i in range(8)] + ["twice,two", "twice more,two"]
    for seed in range(5):
        task = FileTask(
            path=write(tmp_path, sound(60) + rare),
            splits=Splits(train=30, validation=20, test=20, seed=seed),
        )
        splits = read_splits(task)
        trained = {row.label for row in splits.train}
        assert {row.label for row in (*splits.validation, *splits.test)} <= trained
        assert not {f"rare_{i}" for i in range(8)} & {
            row.label for row in (*splits.validation, *splits.test)
        }


def test_twenty_rows(tmp_path: Path) -> None:
    fifths = Splits(validation=None, test=None)
    splits = read_splits(FileTask(path=write(tmp_path, sound(20)), splits=fifths))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [12, 4, 4]
    (problem,) = check_task(FileTask(path=write(tmp_path, sound(20))))[-1:]
    assert problem.startswith("too few examples: 14 are left for validation, expected 600; 20 are")
    assert "null takes a fifth of the training file for validation or test" in problem


def test_too_few_rows_for_the_splits(tmp_path: Path) -> None:
    task = FileTask(path=write(tmp_path, sound(10)), splits=Splits(train=5, validation=4, test=4))
    (problem,) = check_task(task)
    assert problem.startswith("too few examples: 2 are left for train, expected 5; 10 are left")
    problems = check_task(PackagedTask(splits=Splits(test=20_000)))
    assert any("left for test, expected 20000" in problem for problem in problems)


def test_copies_of_the_training_texts_are_no_validation(tmp_path: Path) -> None:
    path, copy = (
        write(tmp_path, sound()),
        write(tmp_path, [row.upper() for row in sound()], "copy.csv", "text,label"),
    )
    problems = check_task(FileTask(path=path, test_path=copy, splits=Splits(validation=4)))
    assert problems[0].startswith("too few examples: 0 are left for train, expected one at least")
    assert problems[2].startswith(
        "40 rows of the training file left out, because another split has the same text"
    )


def test_rows_of_files_that_share_texts_are_counted(tmp_path: Path) -> None:
    shared = write(tmp_path, [*sound(10), *sound(10, "other")], "validation.csv")
    task = FileTask(path=write(tmp_path, sound()), validation_path=shared, splits=SMALL)
    splits = read_splits(task)
    n_left = 40 - len(splits.train) - len(splits.test)
    of_train, of_validation = shared_rows(splits, task)
    assert of_train.startswith(f"{n_left} rows of the training file left out")
    assert of_validation.startswith(f"{10 - n_left} row of the validation file left out")
    assert not shared_rows(read_splits(replace(task, validation_path=None)), task)


def test_classes_that_training_never_sees(tmp_path: Path) -> None:
    other = write(tmp_path, [*sound(8, "other"), "one more,ugly"], "test.csv")
    task = FileTask(path=write(tmp_path, sound()), test_path=other, splits=Splits(validation=4))
    assert check_task(task) == [
        "test has a class that train has no example of: ugly (1 row); add rows of them to the"
        f" training file, or take them out of {other}"
    ]


def test_groups_that_are_too_few(tmp_path: Path) -> None:
    rows = [f"{row},{'a' if i < 20 else 'b'}" for i, row in enumerate(sound())]
    task = FileTask(
        path=write(tmp_path, rows, header="text,label,group"), group="group", splits=SMALL
    )
    (problem,) = check_task(task)
    assert problem.startswith("too few examples: 0 are left for validation, expected 4")


def test_checking_loads_no_heavy_library(tmp_path: Path) -> None:
    path = write(tmp_path, sound())
    code = (
        "import sys; from deft_sweeps.config.data import *; from deft_sweeps.tasks.check import"
        f" check_task; assert check_task(FileTask(path={path!r}, splits=Splits(validation=4))) =="
        " []; assert not {'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
