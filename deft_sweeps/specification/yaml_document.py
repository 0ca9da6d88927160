"""YAML text to plain data that remembers the line and column of everything in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.yaml_node import MAX_DEPTH, TOO_DEEP, NodeReader, Path, is_empty

MAX_DOCUMENTS = 100
_MARKER = re.compile(r"(?:---|\.\.\.)(?:\s|$)")


@dataclass(frozen=True)
class Document:
    """One YAML document as data.

    Attributes:
        where: the file's name.
        data: dicts with string keys, lists, and scalars.
        values, keys: path to (line, column), counted from 1, of a value and of a mapping's key.
        problems: duplicate keys, of which the first counts; and the places where `data` holds
            null instead of a value: forbidden tags, endless aliases, whole numbers beyond 64 bits,
            text that no file or terminal can take.
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
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Not splitlines, which knows more ends of a line than YAML.
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    nodes = _nodes(yaml, text, where)
    if not nodes:
        what = "expected a sweep's spec, got an empty file"
        raise ConfigError([Problem(f"{where}:1:1", what, "`deft-sweeps init` writes one")])
    if len(nodes) > MAX_DOCUMENTS:
        what = f"expected at most {MAX_DOCUMENTS} sweeps in one file, got {len(nodes)}"
        raise ConfigError([Problem(_place(where, nodes[MAX_DOCUMENTS].start_mark), what)])
    documents = []
    for node, (start, end) in zip(nodes, _spans(nodes, lines, where), strict=True):
        reader = NodeReader(where, yaml)
        data = reader.read(node)
        own_text = "".join(lines[start:end])
        problems = tuple(reader.problems)
        documents.append(Document(where, data, reader.values, reader.keys, problems, own_text))
    return tuple(documents)


def _nodes(yaml: YAML, text: str, where: str) -> list[Node]:
    """The top node of each document that is not empty."""
    try:
        nodes = [node for node in yaml.compose_all(text) if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(where, mark) if mark else f"{where}:1:1"
        what = f"not YAML: {error.problem or error.context}"
        raise ConfigError([Problem(place, what, _mend(error))]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed"
        raise ConfigError([Problem(f"{where}:{line}:{column}", what, "remove it")]) from error
    except RecursionError as error:
        raise ConfigError([Problem(_deepest(text, where), TOO_DEEP)]) from error
    return [node for node in nodes if not is_empty(node)]


def _deepest(text: str, where: str) -> str:
    """Where the text is first nested too deep."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            return _place(where, event.start_mark)
    return f"{where}:1:1"


def _spans(nodes: Sequence[Node], lines: Sequence[str], where: str) -> list[tuple[int, int]]:
    """Each document's own lines as start and end, without the `---` before it.

    The first one has the file's head as well.

    Raises:
        ConfigError: a `%` directive, which would change how the document is read.
    """
    spans: list[tuple[int, int]] = []
    end = last = 0
    for node in nodes:
        first = node.start_mark.line
        directives = (i for i in range(last, first) if lines[i].startswith("%"))
        for i in directives:
            what = "a directive of YAML is not allowed"
            raise ConfigError([Problem(f"{where}:{i + 1}:1", what, "remove the line")])
        markers = (i for i in range(first, end - 1, -1) if _MARKER.match(lines[i]))
        marker = next(markers, first)
        # A document may begin on the line of its own `---`.
        start = 0 if not spans else min(marker + 1, first)
        following = (i for i in range(first + 1, len(lines)) if _MARKER.match(lines[i]))
        end = next(following, len(lines))
        spans.append((start, end))
        last = node.end_mark.line
    return spans


def _mend(error: MarkedYAMLError) -> str:
    is_colon = "mapping values are not allowed" in str(error.problem)
    return "put a text that holds a colon and a space in quotes" if is_colon else ""


def _place(where: str, mark: Any) -> str:
    return f"{where}:{mark.line + 1}:{mark.column + 1}"
