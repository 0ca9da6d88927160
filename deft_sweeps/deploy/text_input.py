"""What users hand to a deployed model: checked, and made into examples. Loads no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from deft_sweeps.deploy.manifest import TaskContract
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.examples import Example

_MAX_PROBLEMS = 10


def names_of(task: TaskContract) -> tuple[str, ...]:
    """The keys of an input that is a mapping."""
    if not task.takes_pairs:
        return ("text",)
    return ("question", "context") if task.kind == "span" else ("text", "text_pair")


def example_inputs(task: TaskContract) -> list[Any]:
    """One input that a model of the task answers, in a list."""
    names = names_of(task)
    return [dict.fromkeys(names, "a text") if len(names) > 1 else "a text"]


def as_examples(task: TaskContract, inputs: Sequence[Any]) -> list[Example]:
    """The inputs as examples without answers.

    Args:
        task: what they are inputs of.
        inputs: texts; of a task on two texts, pairs of texts or mappings with `names_of(task)`.

    Raises:
        DataError: lists every input that is something else, by its place.
    """
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Sequence):
        raise DataError(
            f"expected a list of {_expected(task)}, got {type(inputs).__name__}; for one input,"
            " give a list of one"
        )
    examples, problems = [], []
    for place, given in enumerate(inputs):
        texts = _texts(task, given)
        if texts is None:
            problems.append(f"input {place}: expected {_expected(task)}, got {_shown(given)}")
            continue
        examples.append(Example(texts[0], "", "", second=texts[1] if len(texts) > 1 else ""))
    if problems:
        rest = len(problems) - _MAX_PROBLEMS
        more = [f"... and {rest} more inputs"] if rest > 0 else []
        raise DataError("\n".join([*problems[:_MAX_PROBLEMS], *more]))
    return examples


def _texts(task: TaskContract, given: object) -> tuple[str, ...] | None:
    names = names_of(task)
    if isinstance(given, Mapping):
        if set(given) != set(names):
            return None
        parts = tuple(given[name] for name in names)
    elif isinstance(given, list | tuple):
        parts = tuple(given)
    else:
        parts = (given,)
    if len(parts) != len(names) or not all(isinstance(part, str) for part in parts):
        return None
    # A lone surrogate, which JSON may hold, is no text that a tokenizer can read.
    return tuple(part.encode("utf-8", "replace").decode("utf-8") for part in parts)


def _expected(task: TaskContract) -> str:
    names = names_of(task)
    if len(names) == 1:
        return "a text"
    return f"a pair ({names[0]}, {names[1]}) of texts"


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
