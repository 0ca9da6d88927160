"""SQuAD's official files and the hub's, to examples. Loads no torch."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.config.data import SquadTask
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.answers import answers_in
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.glue import find_files
from deft_sweeps.tasks.rows import read_rows
from deft_sweeps.tasks.value import NotTextError, as_text, refuse_rows

HUB = {"1.1": "rajpurkar/squad", "2.0": "rajpurkar/squad_v2"}
PROMPT = "question: {text} context: {text_pair}"

HUB_COLUMNS = ("question", "context", "answers")


def squad_files(task: SquadTask, folder: Path) -> dict[str, list[Path]]:
    """The files of `train` and `test`: the official JSON, or the hub's parquet or jsonl.

    Raises:
        DataError: with a line for each that is not there.
    """
    files_by_split, missing = {}, []
    for split, stems in (("train", ("train",)), ("test", ("dev", "validation"))):
        official = folder / f"{stems[0]}-v{task.version}.json"
        files = (
            [official]
            if official.is_file()
            else find_files(folder, ("plain_text", "squad_v2"), stems)
        )
        if files:
            files_by_split[split] = files
        else:
            missing.append(
                f"{folder}: no {official.name}, nor {' or '.join(stems)} as jsonl or parquet"
            )
    if missing:
        raise DataError("\n".join(missing))
    return files_by_split


def read_squad(task: SquadTask, paths: Sequence[Path]) -> list[Example]:
    """The examples of one split.

    Raises:
        DataError: a file cannot be read, or is of the other version.
    """
    examples: list[Example] = []
    for path in paths:
        examples += squad_examples(str(path), read_rows(path, HUB_COLUMNS))
    if task.version == "1.1" and not all(example.answers for example in examples):
        n = sum(not example.answers for example in examples)
        raise DataError(
            f"{paths[0]}: {n} of {len(examples)} questions have no answer; is it of version 2.0?"
        )
    return examples


def squad_examples(where: str, rows: Iterable[Sequence[Any]]) -> list[Example]:
    """Questions as the hub has them, their answers in any shape that `answers` reads.

    Args:
        where: the rows' file or hub data set, for messages.
        rows: values of `HUB_COLUMNS`.

    Raises:
        DataError: a value is no text, a question or context is empty, or answers are of another
            shape.
    """
    examples: list[Example] = []
    wrong: dict[int, str] = {}
    for number, (question, context, answers) in enumerate(rows, 1):
        try:
            examples.append(_hub_example(as_text(question), as_text(context), answers))
        except NotTextError as error:
            wrong[number] = str(error)
    refuse_rows(where, wrong, len(examples) + len(wrong))
    return examples


def _hub_example(question: str, context: str, answers: Any) -> Example:
    if not question.strip() or not context.strip():
        raise NotTextError("an empty question or context")
    try:
        given = answers_in(answers, context)
        return Example(question, "", context, context, given.texts, given.starts)
    except NotTextError as error:
        raise NotTextError(
            f"answers that are {error}, where SQuAD has a mapping of `text` and `answer_start`"
        ) from error
