"""ruamel's nodes to plain data, with the line and column of every value and key."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from deft_sweeps.errors import ConfigError, Problem

Path = tuple[str | int, ...]

_MAX_NODES = 100_000  # Aliases of aliases grow without bound; no real file comes near this.
_MAX_DEPTH = 100  # A reader of JSON stops at 200; no real file comes near this either.
TOO_DEEP = f"expected values nested at most {_MAX_DEPTH} deep, got deeper ones"
_MAX_BITS = 63  # Of a whole number, beside its sign.
_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"


@dataclass
class NodeReader:
    """Reads the nodes of one document.

    Attributes:
        where: the file's name.
        yaml: the loader that made the nodes; it turns scalars into values.
        values, keys: path to (line, column), counted from 1, of a value and of a mapping's key.
    """

    where: str
    yaml: Any
    problems: list[Problem] = field(default_factory=list)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _ancestors: list[Node] = field(default_factory=list)

    def read(self, node: Node, path: Path = ()) -> Any:
        """The node as data; None in the place of a value that is reported as a problem.

        Raises:
            ConfigError: far too many values, or nested far too deep.
        """
        self.values[path] = mark(node)
        if len(self.values) > _MAX_NODES:
            what = f"expected at most {_MAX_NODES} values, aliases written out, got more"
            raise ConfigError([Problem(self.where, what)])
        if len(path) > _MAX_DEPTH:
            raise ConfigError([self._problem(node, TOO_DEEP)])
        if any(node is ancestor for ancestor in self._ancestors):
            self._add(node, "an alias to what contains it never ends")
            return None
        tag = str(node.tag)
        if not tag.startswith(_STANDARD) or tag.startswith(_STANDARD + "python"):
            self._add(node, f"the tag {tag} is not allowed", "remove it")
            return None
        self._ancestors.append(node)
        try:
            match node:
                case MappingNode():
                    return self._mapping(node, path)
                case SequenceNode():
                    return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
                case _:
                    return self._scalar(node)
        finally:
            self._ancestors.pop()

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            if str(key.tag) == _MERGE:
                continue
            if not isinstance(key, ScalarNode):
                self._add(key, "expected a word as a key, got a list or a mapping")
                continue
            name = str(key.value)
            if name in first_lines:
                given = f"the key {name!r} stands here again; it was given in line"
                self._add(key, f"{given} {first_lines[name]}", "keep one of them")
                continue
            first_lines[name] = mark(key)[0]
            self._entry(result, path, key, value)
        for merged in self._merged_mappings(node):
            for key, value in merged.value:
                if str(key.value) not in result:
                    self._entry(result, path, key, value)
        return result

    def _entry(self, result: dict[str, Any], path: Path, key: Node, value: Node) -> None:
        name = str(key.value)
        self.keys[(*path, name)] = mark(key)
        result[name] = self.read(value, (*path, name))

    def _merged_mappings(self, node: MappingNode) -> Iterator[MappingNode]:
        """The mappings that `<<` merges into `node`."""
        for key, value in node.value:
            if str(key.tag) != _MERGE:
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(source, MappingNode):
                    yield source
                else:
                    self._add(source, "expected a mapping after <<")

    def _scalar(self, node: Node) -> Any:
        is_whole = str(node.tag) == _STANDARD + "int"
        try:
            if is_whole and len(node.value) > 100:  # Python refuses some thousand digits.
                value: Any = 2**_MAX_BITS
            else:
                value = self.yaml.constructor.construct_object(node)
        except (YAMLError, ValueError) as error:
            self._add(node, f"cannot be read: {error}")
            return None
        if is_whole and value.bit_length() > _MAX_BITS:
            self._add(node, "expected a whole number of at most 64 bits")
            return None
        is_plain = value is None or isinstance(value, bool | int | float | str)
        return value if is_plain else str(node.value)

    def _add(self, node: Node, what: str, mend: str = "") -> None:
        self.problems.append(self._problem(node, what, mend))

    def _problem(self, node: Node, what: str, mend: str = "") -> Problem:
        line, column = mark(node)
        return Problem(f"{self.where}:{line}:{column}", what, mend)


def is_empty(node: Node) -> bool:
    """Whether the node stands for an empty document, such as after a last `---`."""
    is_null = isinstance(node, ScalarNode) and str(node.tag) == _STANDARD + "null"
    return is_null and node.value == ""


def mark(node: Node) -> tuple[int, int]:
    """Line and column of the node's beginning, counted from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
