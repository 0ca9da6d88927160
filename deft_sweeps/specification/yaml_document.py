"""YAML text to plain data that remembers the line and column of everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.yaml_node import TOO_DEEP, NodeReader, Path, is_empty


@dataclass(frozen=True)
class Document:
    """One YAML document as data.

    Attributes:
        where: the file's name.
        data: dicts with string keys, lists, and scalars.
        values, keys: path to (line, column), counted from 1, of a value and of a mapping's key.
        problems: duplicate keys, of which the first counts; and the places where `data` holds
            null instead of a value: forbidden tags, endless aliases, whole numbers beyond 64 bits.
        text: the document's own lines.
    """

    where: str
    data: Any
    values: dict[Path, tuple[int, int]]
    keys: dict[Path, tuple[int, int]]
    problems: tuple[Problem, ...] = ()
    text: str = ""

    def path(self, location: Sequence[str | int]) -> Path:
        """`location` without the steps that name no key or item, such as a validator's own."""
        path: Path = ()
        for step in location:
            if (*path, step) in self.values:
                path = (*path, step)
        return path

    def at(self, location: Sequence[str | int], *, key: bool = False) -> str:
        """`file:line:column` of a value, or of its key; of the nearest enclosing one if missing."""
        path = self.path(location)
        line, column = self.keys.get(path, self.values[path]) if key else self.values[path]
        return f"{self.where}:{line}:{column}"


def read_text(path: FilePath | str) -> str:
    """A file's text.

    Raises:
        ConfigError: the file does not exist or is not UTF-8.
    """
    try:
        return FilePath(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text (byte {error.start})"
        raise ConfigError([Problem(str(path), what)]) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error


def read(text: str, where: str) -> Document:
    """Reads one document of YAML 1.2; anchors and merges are allowed, tags are not.

    Args:
        text: of the file.
        where: the file's name, for messages.

    Raises:
        ConfigError: a syntax error, an empty file, several documents, or one far too large or deep.
    """
    first, *others = read_all(text, where)
    if others:
        what = f"expected one sweep, got {1 + len(others)}, of which the second starts here"
        mend = "only validate, plan and run take several, one after the other"
        raise ConfigError([Problem(others[0].at(()), what, mend)])
    return first


def read_all(text: str, where: str) -> tuple[Document, ...]:
    """Reads one or more documents, separated by lines of `---`; lines count from the file's top.

    Raises:
        ConfigError: a syntax error, an empty file, or a document far too large or deep.
    """
    yaml = YAML(typ="safe", pure=True)
    nodes = _nodes(yaml, text, where)
    if not nodes:
        what = "expected a sweep's spec, got an empty file"
        raise ConfigError([Problem(f"{where}:1:1", what, "`deft-sweeps init` writes one")])
    lines = text.splitlines(keepends=True)
    starts = [0, *(_first_line(lines, node) for node in nodes[1:]), len(lines)]
    documents = []
    for node, start, end in zip(nodes, starts, starts[1:], strict=False):
        reader = NodeReader(where, yaml)
        data = reader.read(node)
        own_text = "".join(lines[start:end]).removesuffix("---\n")
        problems = tuple(reader.problems)
        documents.append(Document(where, data, reader.values, reader.keys, problems, own_text))
    return tuple(documents)


def _nodes(yaml: YAML, text: str, where: str) -> list[Node]:
    """The top node of each document that is not empty."""
    try:
        nodes = [node for node in yaml.compose_all(text) if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise ConfigError(
            [Problem(place, f"not YAML: {error.problem or error.context}")]
        ) from error
    except YAMLError as error:
        what = f"not YAML: {' '.join(str(error).split())}"
        raise ConfigError([Problem(where, what)]) from error
    except RecursionError as error:
        raise ConfigError([Problem(where, TOO_DEEP)]) from error
    return [node for node in nodes if not is_empty(node)]


def _first_line(lines: Sequence[str], node: Node) -> int:
    """Index of the line after the `---` that begins the node's document."""
    before = range(node.start_mark.line, -1, -1)
    return next(i + 1 for i in before if lines[i].startswith("---"))
