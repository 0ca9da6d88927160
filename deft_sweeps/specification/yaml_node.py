"""ruamel's nodes to plain data, with the line and column of every value and key."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.units import shortened

Path = tuple[str | int, ...]

MAX_DEPTH = 100  # A reader of JSON stops at 200; no real file comes near this.
TOO_DEEP = f"expected values nested at most {MAX_DEPTH} deep, got deeper ones"
_MAX_NODES = 20_000  # Aliases of aliases grow without bound; no real file comes near this either.
_MAX_BITS = 63  # Of a whole number, beside its sign.
_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_SCALARS = {_STANDARD + name for name in ("str", "int", "float", "bool", "null")}
# Plain text may look like a date, a merge or YAML 1.1's default value; here it stays text.
_TEXTS = {_STANDARD + name for name in ("timestamp", "merge", "value")}
_NOT_TEXT = re.compile(r"[\x00\ud800-\udfff]")


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
    _n_nodes: int = 0

    def read(self, node: Node, path: Path = ()) -> Any:
        """The node as data; None in the place of a value that is reported as a problem.

        Raises:
            ConfigError: far too many values, or nested far too deep.
        """
        self.values[path] = mark(node)
        self._count(node)
        if len(path) > MAX_DEPTH:
            raise ConfigError([self._problem(node, TOO_DEEP)])
        if self._is_endless(node, self._ancestors) or not self._has_own_tag(node):
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
        for name, key, value in self._entries(node):
            if name in first_lines:
                given = f"the key {shortened(name)!r} stands here again; it was given in line"
                self._add(key, f"{given} {first_lines[name]}", "keep one of them")
                continue
            first_lines[name] = mark(key)[0]
            self._entry(result, path, name, key, value)
        for name, key, value in self._merged_entries(node, []):
            if name not in result:
                self._entry(result, path, name, key, value)
        return result

    def _entry(self, result: dict[str, Any], path: Path, name: str, key: Node, value: Node) -> None:
        self.keys[(*path, name)] = mark(key)
        result[name] = self.read(value, (*path, name))

    def _entries(self, node: MappingNode) -> Iterator[tuple[str, Node, Node]]:
        """Name, key and value of the mapping's own entries."""
        for key, value in node.value:
            self._count(key)
            if str(key.tag) == _MERGE:
                continue
            if not isinstance(key, ScalarNode):
                self._add(key, "expected a word as a key, got a list or a mapping")
            elif self._has_own_tag(key) and self._is_text(key):
                yield str(key.value), key, value

    def _merged_entries(
        self, node: MappingNode, merging: list[Node]
    ) -> Iterator[tuple[str, Node, Node]]:
        """Those of the mappings that `<<` merges into `node`, the first of which counts.

        Args:
            node: the mapping.
            merging: those that `node` is being merged into.
        """
        if len(merging) > MAX_DEPTH:
            raise ConfigError([self._problem(node, TOO_DEEP)])
        for source in self._merged_mappings(node):
            if not self._is_endless(source, [*merging, node]):
                yield from self._entries(source)
                yield from self._merged_entries(source, [*merging, node])

    def _merged_mappings(self, node: MappingNode) -> Iterator[MappingNode]:
        """The mappings that `<<` names in `node`."""
        for key, value in node.value:
            if str(key.tag) != _MERGE:
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                self._count(source)
                if isinstance(source, MappingNode):
                    yield source
                else:
                    self._add(source, "expected a mapping after <<")

    def _scalar(self, node: Node) -> Any:
        tag = str(node.tag)
        if tag in _TEXTS:
            return str(node.value)
        is_whole = tag == _STANDARD + "int"
        try:
            if is_whole and len(node.value) > 100:  # Python refuses some thousand digits.
                value: Any = 2**_MAX_BITS
            else:
                value = self.yaml.constructor.construct_object(node)
        # ruamel does not check what a tag is put before: `!!bool x` is a KeyError there.
        except (YAMLError, ValueError, LookupError, TypeError):
            name = tag.removeprefix(_STANDARD)
            self._add(node, f"expected a value of the tag !!{name}, got {shortened(node.value)!r}")
            return None
        if is_whole and value.bit_length() > _MAX_BITS:
            self._add(node, "expected a whole number of at most 64 bits")
            return None
        return None if isinstance(value, str) and not self._is_text(node) else value

    def _has_own_tag(self, node: Node) -> bool:
        """Whether the node has the tag of its kind; reports any other, such as an object's."""
        match node:
            case MappingNode():
                allowed = {_STANDARD + "map"}
            case SequenceNode():
                allowed = {_STANDARD + "seq"}
            case _:
                allowed = _SCALARS | _TEXTS
        if str(node.tag) in allowed:
            return True
        self._add(node, f"the tag {shortened(str(node.tag))} is not allowed here", "remove it")
        return False

    def _is_text(self, node: Node) -> bool:
        """Whether the scalar can be written to a file; reports half characters and NUL."""
        wrong = _NOT_TEXT.search(str(node.value))
        if wrong is None:
            return True
        self._add(node, f"the character U+{ord(wrong[0]):04X} is not allowed", "remove it")
        return False

    def _is_endless(self, node: Node, within: Sequence[Node]) -> bool:
        """Whether the node is an alias to one of those that it stands in; reports it."""
        is_endless = any(node is other for other in within)
        if is_endless:
            self._add(node, "an alias to what contains it never ends")
        return is_endless

    def _count(self, node: Node) -> None:
        self._n_nodes += 1
        if self._n_nodes > _MAX_NODES:
            what = f"expected at most {_MAX_NODES} keys and values, aliases written out, got more"
            raise ConfigError([self._problem(node, what)])

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
