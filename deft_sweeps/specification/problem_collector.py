"""Collects every problem of one document, and knows which parts of it are refused."""

from pydantic import BaseModel, ValidationError

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.validation_message import Location, problem_of
from deft_sweeps.specification.yaml_document import Document


class ProblemCollector:
    """The problems of one document.

    A later check asks `refuses` before it looks at a part, so that one mistake is reported once.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems: list[Problem] = list(document.problems)
        self._refused: set[Location] = set()

    def __bool__(self) -> bool:
        """Whether there are any problems."""
        return bool(self._problems)

    def add(self, location: Location, what: str, mend: str = "") -> None:
        """Adds a problem with the value at `location`."""
        self._refuse(location)
        self._problems.append(Problem(self.document.at(location), what, mend))

    def add_errors(
        self, error: ValidationError, model: type[BaseModel], prefix: Location = ()
    ) -> None:
        """Adds pydantic's errors about the part of the document at `prefix`."""
        for details in error.errors(include_url=False):
            self._refuse((*prefix, *details["loc"]))
            self._problems.append(problem_of(details, self.document, model, prefix))

    def refuses(self, *location: str | int) -> bool:
        """Whether a problem was added at `location`, of one or two steps, or below it."""
        return location in self._refused

    def error(self) -> ConfigError:
        """An error with every problem once, in the order of the file."""
        unread = {problem.where for problem in self.document.problems}
        # The document holds null in the place of what could not be read: no more to say there.
        own = [p for p in self._problems if p in self.document.problems or p.where not in unread]
        return ConfigError(sorted(dict.fromkeys(own), key=line_and_column))

    def _refuse(self, location: Location) -> None:
        self._refused |= {location[:1], location[:2]}


def line_and_column(problem: Problem) -> tuple[int, int]:
    """Of a problem whose place is `file:line:column`."""
    line, column = problem.where.split(":")[-2:]
    return int(line), int(column)
