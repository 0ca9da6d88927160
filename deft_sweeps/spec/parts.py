"""A file with several sweeps, each a YAML document of its own: every one a whole spec, to be taken one after the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.spec.document import Document, read_all, read_text
from deft_sweeps.spec.load import parse_document
from deft_sweeps.spec.schema import SweepSpec


@dataclass(frozen=True, slots=True)
class Part:
    """One of the sweeps in a file.

    Attributes:
        where: `file:line:column` of its beginning, or the file alone where there is no other.
        text: its own lines of the file.
        document: the same as data, with the place of everything in it.
    """

    spec: SweepSpec
    where: str
    text: str
    document: Document


def load_parts(path: Path | str) -> tuple[Part, ...]:
    """Read the sweeps of a file, one or more, under names that differ; nothing is started and no model or data is looked for.

    Raises:
        ConfigError: with every problem of all of them.
    """
    return parse_parts(read_text(path), str(path))


def parse_parts(text: str, where: str) -> tuple[Part, ...]:
    """The same for text.

    Raises:
        ConfigError: with every problem in the text.
    """
    documents = read_all(text, where)
    parts: list[Part] = []
    problems: list[Problem] = []
    named: dict[str, str] = {}
    for document in documents:
        data: Any = document.data
        name = data.get("name") if isinstance(data, dict) else None
        if isinstance(name, str):
            here = document.at(("name",))
            if name in named:
                problems.append(Problem(here, f"the name {name} was given in line {named[name].split(':')[-2]}", "name each differently"))
            named.setdefault(name, here)
        try:
            parts.append(Part(parse_document(document), document.at(()) if len(documents) > 1 else where, document.text, document))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return tuple(parts)
