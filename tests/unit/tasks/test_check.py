import subprocess
import sys
from pathlib import Path

import pytest

from deft_sweeps.config.data import FileTask, PackagedTask, Splits
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.check import check_task, read_splits

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
    assert fifth == f"{task.path}: column label has one class only, 'x'; expected two or more"
    with pytest.raises(DataError) as raised:
        read_splits(task)
    assert str(raised.value).splitlines() == [first, second, third, fourth, fifth]


def test_a_column_of_texts_is_no_label(tmp_path: Path) -> None:
    rows = [f"{i % 2},review number {i}" for i in range(60)]
    (problem,) = check_task(FileTask(path=write(tmp_path, rows), splits=SMALL))
    assert "column label has 60 distinct values in 60 rows ('review number 0'" in problem
    assert problem.endswith("are they labels?")


def test_too_few_rows_for_the_splits(tmp_path: Path) -> None:
    task = FileTask(path=write(tmp_path, sound(10)), splits=Splits(train=5, validation=4, test=4))
    assert check_task(task) == ["too few examples: 2 are left for train, expected 5"]
    assert check_task(PackagedTask(splits=Splits(test=20_000)))[0].startswith(
        "too few examples: 0 are left for train"
    )


def test_copies_of_the_training_texts_are_no_validation(tmp_path: Path) -> None:
    path, copy = (
        write(tmp_path, sound()),
        write(tmp_path, [row.upper() for row in sound()], "copy.csv", "text,label"),
    )
    problems = check_task(FileTask(path=path, test_path=copy, splits=Splits(validation=4)))
    assert problems[0] == "too few examples: 0 are left for train, expected one at least"


def test_classes_that_training_never_sees(tmp_path: Path) -> None:
    other = write(tmp_path, [*sound(8, "other"), "one more,ugly"], "test.csv")
    task = FileTask(path=write(tmp_path, sound()), test_path=other, splits=Splits(validation=4))
    assert check_task(task) == ["test has classes that train has no example of: ugly"]


def test_groups_that_are_too_few(tmp_path: Path) -> None:
    rows = [f"{row},{'a' if i < 20 else 'b'}" for i, row in enumerate(sound())]
    task = FileTask(
        path=write(tmp_path, rows, header="text,label,group"), group="group", splits=SMALL
    )
    assert check_task(task) == ["too few examples: 0 are left for train, expected one at least"]


def test_checking_loads_no_heavy_library(tmp_path: Path) -> None:
    path = write(tmp_path, sound())
    code = (
        "import sys; from deft_sweeps.config.data import *; from deft_sweeps.tasks.check import"
        f" check_task; assert check_task(FileTask(path={path!r}, splits=Splits(validation=4))) =="
        " []; assert not {'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
