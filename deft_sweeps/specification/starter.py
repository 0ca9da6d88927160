"""Writes a first sweep for the user's own labelled file, with the guesses said in comments."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from deft_sweeps.specification.column_guess import ColumnGuess


def starter_spec(guess: ColumnGuess) -> str:
    """A commented sweep for the file, as YAML that `spec_reader` reads."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(guess.path).stem).strip("-._") or "sweep"
    others = [column for column in guess.columns if column not in (guess.text, guess.label)]
    n_validation = max(1, min(600, guess.n_rows // 5))
    return _template().render(guess=guess, name=name, others=others, n_validation=n_validation)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("deft_sweeps", "specification"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the page is YAML; `quoted` writes the user's strings
    )
    environment.filters["quoted"] = _quoted
    return environment.get_template("starter.yaml.jinja")


def _quoted(value: str) -> str:
    """YAML's double-quoted form, which escapes characters beyond 16 bits differently than JSON."""
    plain = (c.isprintable() and c not in '"\\' for c in value)
    parts = (c if ok else f"\\U{ord(c):08x}" for c, ok in zip(value, plain, strict=True))
    return '"' + "".join(parts) + '"'
