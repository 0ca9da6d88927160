"""Writes a first sweep for the user's own labelled file, with the guesses said in comments."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.metrics.footprint import LATENCY_SEC, PEAK_MEMORY_BYTES, WEIGHT_BYTES
from deft_sweeps.specification.column_guess import ColumnGuess
from deft_sweeps.specification.column_sample import Column, percentile

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,29}")
_CHARACTERS_PER_TOKEN = 3
"""Of a template, at least."""
_MOST_LISTED = 20
ENOUGH_SELECTION = 1200
"""Certify a margin of 0.02 with a power of 80 % where up to 7 % of the answers differ."""
_FEWEST_SELECTION = 149
"""ln(0.05) / ln(0.98): fewer certify no margin of 0.02 at alpha 0.05."""
_LONGEST_LISTED = 40
_LONGEST_PROMPT = 60
"""Characters of class names that may stand in the prompt: each costs tokens in every example."""


@dataclass(frozen=True, slots=True)
class Starter:
    """What a first sweep is written from.

    Attributes:
        guess: what the columns are for.
        task: what the written YAML says of them.
    """

    guess: ColumnGuess
    task: FileTask
    n_rows: int

    def text(self) -> str:
        """A commented sweep, as YAML that `spec_reader` reads."""
        stem = Path(self.task.source).name.split(".")[0]
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:80] or "sweep"
        classes = self.guess.classes
        return _template().render(
            name=name,
            task=self.task,
            guess=self.guess,
            n_rows=self.n_rows,
            listed=[short(one) for one in classes[:_MOST_LISTED]],
            n_classes=len(classes),
            metrics=(WEIGHT_BYTES.name, LATENCY_SEC.name, PEAK_MEMORY_BYTES.name),
        )


def starter(
    path: str,
    guess: ColumnGuess,
    columns: Sequence[Column],
    n_rows: int,
    encoding: str | None = None,
) -> Starter:
    """A first sweep.

    Args:
        path: of the file, as it is written in the YAML.
        guess: what its columns are for.
        columns: of its first rows.
        n_rows: of the whole file.
        encoding: of a text file; None is UTF-8.
    """
    by_name = {column.name: column for column in columns}
    template = "{text}" if guess.task == "qa" else prompt(guess)
    of_task: dict[str, Any]
    match guess.task:
        case "qa":
            of_task = {"question": guess.text, "context": guess.pair, "answers": guess.label}
        case "text":
            most = _tokens([by_name[guess.label]], 16, 256)
            of_task = {"text": guess.text, "target": guess.label, "max_target_tokens": most}
        case _:
            of_task = {"text": guess.text, "text_pair": guess.pair, "label": guess.label}
    inputs = [by_name[name] for name in (guess.text, guess.pair) if name is not None]
    # A question's context is read in windows.
    low, high = (64, 384) if guess.task == "qa" else (16, 512)
    return Starter(
        guess,
        FileTask(
            path=path,
            encoding=encoding,
            task=guess.task,
            template=template,
            max_input_tokens=_tokens(inputs, low, high, template),
            splits=Splits(
                validation=max(1, min(600, n_rows // 5)), selection=_selection(guess, n_rows)
            ),
            **of_task,
        ),
        n_rows,
    )


def _selection(guess: ColumnGuess, n_rows: int) -> int:
    """Examples that certify the choice: a quarter of the rows at most, and none if so few can
    certify nothing, or if the task's score has no test.
    """
    n = min(ENOUGH_SELECTION, n_rows // 4)
    return n if n >= _FEWEST_SELECTION and guess.task != "regression" else 0


def prompt(guess: ColumnGuess) -> str:
    """The input of a model that writes: what the task is, and the classes where that is short."""
    fields = "{text}"
    if guess.pair is not None:
        first, second = _plain(guess.text, "text1"), _plain(guess.pair, "text2")
        fields = f"{first}: {{text}} {second}: {{text_pair}}"
    match guess.task:
        case "classification":
            return f"{_classify(guess.classes)}: {fields}"
        case "text":
            return f"{_plain(guess.label, 'write')}: {fields}"
        case _:
            return f"{_plain(guess.label, 'number')}: {fields}"


def short(name: str) -> str:
    """A class's name for a comment."""
    return name if len(name) <= _LONGEST_LISTED else f"{name[: _LONGEST_LISTED - 3]}..."


def _classify(classes: Sequence[str]) -> str:
    """`Classify`, with the classes' names where they are few words that the model can know."""
    *most, last = classes or ("",)
    is_word = all(re.fullmatch(r"[^\W\d_][\w '/&-]*", name) for name in classes)
    if not most or not is_word or len("".join(classes)) > _LONGEST_PROMPT:
        return "Classify"
    return f"Classify as {', '.join(most)} or {last}"


def _plain(column: str, default: str) -> str:
    return column if _PLAIN_NAME.fullmatch(column) else default


def _tokens(columns: Sequence[Column], low: int, high: int, template: str = "") -> int:
    """Tokens that hold 95 % of the rows and the template, a multiple of 16 in [low, high]."""
    rows = [sum(row) for row in zip(*(column.tokens() for column in columns), strict=True)]
    tokens = percentile(rows, 0.95) + len(template) / _CHARACTERS_PER_TOKEN
    return min(high, max(low, math.ceil(tokens / 16) * 16))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("deft_sweeps", "specification"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the page is YAML; `quoted` writes the user's strings
    )
    environment.filters["quoted"] = _quoted
    return environment.get_template("starter.yaml.jinja")


def _quoted(value: str) -> str:
    """YAML's double-quoted form, which escapes characters beyond 16 bits differently than JSON."""
    plain = (c.isprintable() and c not in '"\\' for c in value)
    parts = (c if ok else f"\\U{ord(c):08x}" for c, ok in zip(value, plain, strict=True))
    return '"' + "".join(parts) + '"'
