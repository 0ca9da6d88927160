"""Reads a file with one or more sweeps, each a whole YAML document of its own."""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.problem_collector import line_and_column
from deft_sweeps.specification.setting_reader import as_dict
from deft_sweeps.specification.spec_reader import parse_document
from deft_sweeps.specification.spec_text import read_text
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_document import Document, read_all


@dataclass(frozen=True, slots=True)
class SweepPart:
    """One of the sweeps in a file.

    Attributes:
        where: `file:line:column` of its beginning; the file alone if it holds no other sweep.
        text: its own lines of the file.
        document: the same as data, with the place of everything in it.
    """

    spec: SweepSpec
    where: str
    text: str
    document: Document


def load_parts(path: Path | str, folder: Path | None = None) -> tuple[SweepPart, ...]:
    """Reads the sweeps of a file, each under a name of its own; looks for no model or data.

    Args:
        path: of the file.
        folder: that relative paths start from; None is the file's.

    Raises:
        ConfigError: with every problem of all of them.
    """
    start = Path(path).parent.resolve() if folder is None else folder
    return parse_parts(read_text(path), str(path), str(start))


def parse_parts(text: str, where: str, folder: str = "") -> tuple[SweepPart, ...]:
    """The same from text.

    Raises:
        ConfigError: with every problem in the text.
    """
    documents = read_all(text, where)
    parts: list[SweepPart] = []
    problems = _repeated_names(documents)
    for document in documents:
        try:
            spec = parse_document(document, folder)
        except ConfigError as error:
            problems += error.problems
            continue
        beginning = document.at(()) if len(documents) > 1 else where
        parts.append(SweepPart(spec, beginning, document.text, document))
    if problems:
        raise ConfigError(sorted(problems, key=line_and_column))
    return tuple(parts)


def _repeated_names(documents: tuple[Document, ...]) -> list[Problem]:
    problems = []
    first_places: dict[str, str] = {}
    for document in documents:
        name = as_dict(document.data).get("name")
        if not isinstance(name, str):
            continue
        place = document.at(("name",))
        if name in first_places:
            line = first_places[name].split(":")[-2]
            what = f"the name {name} was given in line {line}"
            problems.append(Problem(place, what, "name each differently"))
        first_places.setdefault(name, place)
    return problems
