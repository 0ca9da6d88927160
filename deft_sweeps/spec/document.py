"""YAML text to plain data that remembers the line and column of everything in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from deft_sweeps.errors import ConfigError, Problem

Path = tuple[str | int, ...]

_MAX_NODES = 100_000  # aliases of aliases grow without bound; no spec comes near this
_MAX_DEPTH = 100  # a reader of JSON ends at 200; no spec comes near this either
_TOO_DEEP = f"expected values nested at most {_MAX_DEPTH} deep, got deeper ones"
_MAX_BITS = 63  # of a whole number, beside its sign
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A YAML file as data.

    Attributes:
        where: the file's name.
        data: dicts with string keys, lists, and scalars.
        values, keys: path to (line, column), counted from 1, of a value and of a mapping's key.
        problems: duplicate keys (the first one counts), and what null stands in the place of: forbidden tags, endless aliases and whole
            numbers beyond 64 bits.
        text: the document's own lines.
    """

    where: str
    data: Any
    values: dict[Path, tuple[int, int]]
    keys: dict[Path, tuple[int, int]]
    problems: tuple[Problem, ...] = ()
    text: str = ""

    def path(self, location: Sequence[str | int]) -> Path:
        """The part of `location` that exists in the data; steps that name no key or item (a validator's own) are left out."""
        path: Path = ()
        for step in location:
            if (*path, step) in self.values:
                path = (*path, step)
        return path

    def at(self, location: Sequence[str | int], *, key: bool = False) -> str:
        """`file:line:column` of the value at `location`, or of its key; of what encloses it where that does not exist."""
        path = self.path(location)
        line, column = self.keys.get(path, self.values[path]) if key else self.values[path]
        return f"{self.where}:{line}:{column}"


@dataclass
class _Reader:
    where: str
    yaml: Any
    problems: list[Problem] = field(default_factory=list)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    open: list[Node] = field(default_factory=list)

    def complain(self, node: Node, what: str, mend: str = "") -> None:
        line, column = _mark(node)
        self.problems.append(Problem(f"{self.where}:{line}:{column}", what, mend))

    def data(self, node: Node, path: Path) -> Any:
        self.values[path] = _mark(node)
        if len(self.values) > _MAX_NODES:
            raise ConfigError([Problem(self.where, f"expected at most {_MAX_NODES} values, aliases written out, got more")])
        if len(path) > _MAX_DEPTH:
            line, column = _mark(node)
            raise ConfigError([Problem(f"{self.where}:{line}:{column}", _TOO_DEEP)])
        if any(node is outer for outer in self.open):
            self.complain(node, "an alias to what contains it never ends")
            return None
        tag = str(node.tag)
        if not tag.startswith(_STANDARD) or tag.startswith(_STANDARD + "python"):
            self.complain(node, f"the tag {tag} is not allowed", "remove it")
            return None
        self.open.append(node)
        try:
            match node:
                case MappingNode():
                    return self.mapping(node, path)
                case SequenceNode():
                    return [self.data(item, (*path, i)) for i, item in enumerate(node.value)]
                case _:
                    return self.scalar(node)
        finally:
            self.open.pop()

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key, value in self.own(node):
            if not isinstance(key, ScalarNode):
                self.complain(key, "expected a word as a key, got a list or a mapping")
                continue
            name = str(key.value)
            if name in first:
                self.complain(key, f"the key {name!r} stands here again; it was given in line {_mark(first[name])[0]}", "keep one of them")
                continue
            first[name] = key
            self.keys[(*path, name)] = _mark(key)
            result[name] = self.data(value, (*path, name))
        for merged in self.merged(node):
            for key, value in merged.value:
                name = str(key.value)
                if name not in result:
                    self.keys[(*path, name)] = _mark(key)
                    result[name] = self.data(value, (*path, name))
        return result

    def own(self, node: MappingNode) -> Iterator[tuple[Node, Node]]:
        return ((key, value) for key, value in node.value if str(key.tag) != _STANDARD + "merge")

    def merged(self, node: MappingNode) -> Iterator[MappingNode]:
        for key, value in node.value:
            if str(key.tag) == _STANDARD + "merge":
                for source in value.value if isinstance(value, SequenceNode) else [value]:
                    if isinstance(source, MappingNode):
                        yield source
                    else:
                        self.complain(source, "expected a mapping after <<")

    def scalar(self, node: Node) -> Any:
        whole = str(node.tag) == _STANDARD + "int"
        try:
            # Python itself refuses more than some thousand digits.
            value = 2**_MAX_BITS if whole and len(node.value) > 100 else self.yaml.constructor.construct_object(node)
        except (YAMLError, ValueError) as error:
            self.complain(node, f"cannot be read: {error}")
            return None
        if whole and value.bit_length() > _MAX_BITS:
            self.complain(node, "expected a whole number of at most 64 bits")
            return None
        return value if value is None or isinstance(value, bool | int | float | str) else str(node.value)


def read_text(path: FilePath | str) -> str:
    """A spec's text.

    Raises:
        ConfigError: there is no such file, or it is not UTF-8.
    """
    try:
        return FilePath(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), f"not UTF-8 text (byte {error.start})")]) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error


def read(text: str, where: str) -> Document:
    """Read YAML 1.2: anchors and merges are fine, tags are not.

    Args:
        text: of one document.
        where: the file's name, for messages.

    Raises:
        ConfigError: a syntax error, an empty file, several documents, or one that is far too large or deep.
    """
    first, *others = read_all(text, where)
    if others:
        what = f"expected one sweep, got {1 + len(others)}, of which the second starts here"
        raise ConfigError([Problem(others[0].at(()), what, "only validate, plan and run take several, one after the other")])
    return first


def read_all(text: str, where: str) -> tuple[Document, ...]:
    """The same for a file of one or more documents, set apart by lines of `---`; lines count from the top of the file.

    Raises:
        ConfigError: a syntax error, an empty file, or a document that is far too large or deep.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        nodes = [node for node in yaml.compose_all(text) if node is not None and not _is_nothing(node)]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise ConfigError([Problem(place, f"not YAML: {error.problem or error.context}")]) from error
    except YAMLError as error:
        raise ConfigError([Problem(where, f"not YAML: {' '.join(str(error).split())}")]) from error
    except RecursionError as error:
        raise ConfigError([Problem(where, _TOO_DEEP)]) from error
    if not nodes:
        raise ConfigError([Problem(f"{where}:1:1", "expected a sweep's spec, got an empty file", "`deft-sweeps init` writes one")])
    lines = text.splitlines(keepends=True)
    starts = [0, *(_start(lines, node) for node in nodes[1:]), len(lines)]
    documents = []
    for node, start, end in zip(nodes, starts, starts[1:], strict=False):
        reader = _Reader(where, yaml)
        data = reader.data(node, ())
        documents.append(
            Document(where, data, reader.values, reader.keys, tuple(reader.problems), "".join(lines[start:end]).removesuffix("---\n"))
        )
    return tuple(documents)


def _is_nothing(node: Node) -> bool:
    """What an empty document, after a last `---` say, is read as."""
    return isinstance(node, ScalarNode) and str(node.tag) == _STANDARD + "null" and node.value == ""


def _start(lines: Sequence[str], node: Node) -> int:
    """Index of the line after the `---` that the document stands under."""
    return next(i + 1 for i in range(node.start_mark.line, -1, -1) if lines[i].startswith("---"))


def _mark(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
