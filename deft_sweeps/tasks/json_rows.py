"""Rows of a JSON file, whatever its name: an object a line, one array of objects, or SQuAD's
official document. Loads no torch.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.text_file import TextFile

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file of JSON objects; a row may leave a column out."""

    file: TextFile
    notes: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Names of the columns that any row has."""
        return list(dict.fromkeys(name for row in self._objects() for name in row))

    def rows(self, columns: Sequence[str]) -> Iterator[list[Any]]:
        """The values of some columns, row by row; None where a row leaves one out."""
        # Only all the rows tell which columns there are.
        present: dict[str, None] = {}
        for row in self._objects():
            present |= dict.fromkeys(row)
            yield [row.get(column) for column in columns]
        require(self.file.path, columns, list(present))

    def _objects(self) -> Iterator[Row]:
        """Every row.

        Raises:
            DataError: the file is no JSON, or of another shape.
        """
        path = self.file.path
        numbered = enumerate(self.file.lines(), 1)
        lines: Iterator[tuple[int, str]] = (one for one in numbered if one[1].strip())
        number, first = next(lines, (0, ""))
        if not first:
            return
        try:
            document = _parsed(path, first, number)
        except DataError:
            # An array or a document in several lines: then all of it is one value.
            document = _parsed(path, self.file.text(), 1)
            lines = iter(())
        if isinstance(document, list):
            rest = next(lines, None)
            if rest is not None:
                raise DataError(f"{path}:{rest[0]}: expected nothing after the JSON array")
            yield from _array(path, document)
        elif _is_official(document):
            yield from _official(path, document["data"])
        else:
            yield _object(f"{path}:{number}", document)
            for number, line in lines:
                yield _object(f"{path}:{number}", _parsed(path, line, number))


def require(path: Path, columns: Sequence[str], present: Sequence[str], hint: str = "") -> None:
    """Refuse a file that lacks a column.

    Args:
        path: of the file.
        columns: to read.
        present: in the file.
        hint: what may be wrong with it.

    Raises:
        DataError: it lacks one.
    """
    missing = [column for column in columns if column not in present]
    if missing:
        names = ", ".join(present) or "none"
        raise DataError(f"{path}: no column {', '.join(missing)}; there are {names}{hint}")


def _parsed(path: Path, text: str, line: int) -> Any:
    """The JSON value that a text is.

    Args:
        path: of the file that it stands in.
        text: to parse.
        line: of the file that it begins in.

    Raises:
        DataError: it is no JSON, or an object has a name twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except json.JSONDecodeError as error:
        where = f"{path}:{line + error.lineno - 1}"
        is_cut = error.pos >= len(text.rstrip())
        what = f"not JSON: {error.msg} at character {error.colno}"
        cut = "; it ends in the middle of a value: is the file whole?" if is_cut else ""
        raise DataError(f"{where}: {what}{cut}") from error
    except ValueError as error:  # The same name twice, or a number of thousands of digits.
        raise DataError(f"{path}:{line}: cannot be read: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path}:{line}: cannot be read: nested too deeply") from error


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice!r} twice; give each value a name of its own")
    return made


def _array(path: Path, rows: Sequence[Any]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield _object(f"{path}: row {number}", row)


def _object(where: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: expected a JSON object, got {type(row).__name__}; write"
            ' {"column": value, ...} for each row, one a line or in one array'
        )
    nested = [name for name, value in row.items() if isinstance(value, dict) and "0" in value]
    if nested and len(nested) == len(row):
        raise DataError(
            f"{where}: one object of columns, expected one for each row; with pandas write"
            ' `to_json(path, orient="records", lines=True)`'
        )
    return row


def _is_official(document: Any) -> bool:
    articles = document.get("data") if isinstance(document, dict) else None
    return isinstance(articles, list) and any(
        isinstance(article, dict) and "paragraphs" in article for article in articles
    )


def _official(path: Path, articles: Sequence[Any]) -> Iterator[Row]:
    """SQuAD's document as the rows that the hub has of it."""
    try:
        for article in articles:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield {
                        "question": question["question"],
                        "context": paragraph["context"],
                        "answers": [] if question.get("is_impossible") else question["answers"],
                    }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: neither rows nor a file of SQuAD's (data, paragraphs, qas): {error!r}"
        ) from error
