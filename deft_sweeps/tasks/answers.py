"""The answers to a question in the shapes that data sets have, and where they stand in the context.
Loads no torch.

| cell | answers |
| --- | --- |
| `{"text": [...], "answer_start": [...]}`, also with one text and one start | SQuAD's own |
| `[{"text": ..., "answer_start": ...}, ...]` | a mapping for each |
| `["...", "..."]` | texts |
| a text, or a number | that one |
| null, an empty text, an empty list | none: the question has no answer |
| one of these as Python, numpy or JSON prints it | as if it were not printed |

A start may be missing; the answer is then looked for, and so is one that does not stand where its
start says: its nearest place counts. Anything else is refused with its name: NaN, bytes, lists
within lists, a mapping without `text`, and printed arrays that numpy cut short.
"""

import io
import json
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deft_sweeps.tasks.value import LONGEST_PRINTED, NotTextError, as_text, is_missing, literal

# The beginning of a mapping, of a list of texts or mappings, of an empty list, or of a numpy array.
_PRINTED = re.compile(r"\s*(?:\{\s*['\"]|\[\s*['\"{]|\[\s*\]\s*$|array\()")
# A printed mapping that cannot be parsed, or array, is no text even so.
_CERTAIN = re.compile(r"\s*(?:\{\s*['\"](?:text|answer_start)['\"]\s*:|array\(\[)")


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one question.

    Attributes:
        texts: that are right; none where there is no answer.
        starts: of each, where it stands in the context; -1 where it does not.
        n_moved: of them, elsewhere in the context than the cell says.
    """

    texts: tuple[str, ...]
    starts: tuple[int, ...]
    n_moved: int = 0


def answers_in(cell: Any, context: str) -> Answers:
    """The answers of a cell; blank ones are left out.

    Raises:
        NotTextError: the cell is of a shape that is not read.
    """
    # A context may hold such text itself.
    if isinstance(cell, str) and cell.strip() not in context:
        cell = _unprinted(cell)
    texts, starts = as_answers(cell)
    given = [(text, start) for text, start in zip(texts, starts, strict=True) if text.strip()]
    if any(_is_printed(text) and text not in context for text, _ in given):
        raise NotTextError("a printed Python object")
    places = [(text, start, place(text, context, start)) for text, start in given]
    return Answers(
        tuple(text for text, _, _ in places),
        tuple(at for _, _, at in places),
        sum(at >= 0 and start not in (-1, at) for _, start, at in places),
    )


def as_answers(cell: Any) -> tuple[list[str], list[int]]:
    """The answers of a cell that is not printed, and where each begins in its context (-1 where the
    cell does not say).

    Raises:
        NotTextError: it is of another shape.
    """
    if isinstance(cell, list | tuple) and cell and all(isinstance(one, dict) for one in cell):
        parts = [as_answers(one) for one in cell]
        return [t for texts, _ in parts for t in texts], [s for _, starts in parts for s in starts]
    given: object = None
    if isinstance(cell, Mapping):
        if "text" not in cell:
            raise NotTextError("a mapping without `text`")
        given, cell = cell.get("answer_start"), cell["text"]
    cells = list(cell) if isinstance(cell, list | tuple) else [cell]
    if any(isinstance(one, dict | list | tuple) for one in cells):
        raise NotTextError("lists within lists")
    # None says that there is no answer; a data frame writes NaN for what it does not know.
    if any(one is not None and is_missing(one) for one in cells):
        raise NotTextError("NaN")
    texts = [as_text(one) for one in cells]
    begins = list(given) if isinstance(given, list | tuple) else [given]
    starts = [_start(begin) for begin in begins]
    return texts, starts if len(starts) == len(texts) else [-1] * len(texts)


def place(answer: str, context: str, start: int = -1) -> int:
    """Where the answer stands in the context: at `start` or else nearest to it, first where there
    is no start; -1 where it does not.
    """
    if start < 0:
        return context.find(answer)
    before = context.rfind(answer, 0, start + len(answer))
    after = context.find(answer, start)
    if before < 0 or after < 0:
        return max(before, after)
    return before if start - before <= after - start else after


def _start(begin: object) -> int:
    if is_missing(begin):
        return -1
    if (
        isinstance(begin, bool)
        or not isinstance(begin, int | float)
        or not float(begin).is_integer()
    ):
        raise NotTextError("an answer_start that is no whole number")
    return int(begin)


def _is_printed(text: str) -> bool:
    return _CERTAIN.match(text) is not None or (
        _PRINTED.match(text) is not None and isinstance(_parsed(text), list | dict)
    )


def _unprinted(text: str) -> Any:
    """What a text was printed from, if it is a list or a mapping; else the text itself."""
    if not _PRINTED.match(text):
        return text
    parsed = _parsed(text)
    return parsed if isinstance(parsed, list | dict) else text


def _parsed(text: str) -> Any:
    """The value that JSON, Python or numpy printed; None if it is none of theirs."""
    if len(text) > LONGEST_PRINTED:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return literal(_as_literal(text))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None


def _as_literal(text: str) -> str:
    """The text without numpy's names around values, as in `array([...], dtype=object)` and
    `np.int64(3)`, and with commas between values, which numpy leaves out of a printed list.

    Python itself would read two texts without a comma between them as one.
    """
    words: list[str] = []
    wrapped: list[bool] = []  # Of each open bracket, whether it is that of a name.
    read = tokenize.generate_tokens(io.StringIO(text.strip()).readline)
    tokens = [one for one in read if one.string.strip()]
    at = 0
    while at < len(tokens):
        word = tokens[at].string
        names = _wrapper(tokens, at)
        if names:
            wrapped.append(True)
            at += names
            continue
        if word == "dtype" and wrapped and wrapped[-1]:
            at += 3  # dtype = object
            if words and words[-1] == ",":
                words.pop()
            continue
        at += 1
        if word in ("(", "[", "{"):
            wrapped.append(False)
        elif word in (")", "]", "}") and wrapped and wrapped.pop():
            continue
        if _is_value(word) and words and _is_value(words[-1]):
            words.append(",")
        words.append(word)
    return " ".join(words)


def _wrapper(tokens: Sequence[tokenize.TokenInfo], at: int) -> int:
    """How many tokens from here on are a name of numpy's and its bracket."""
    words = [one.string for one in tokens[at : at + 4]]
    if words[:2] == ["array", "("]:
        return 2
    return 4 if words[:2] == ["np", "."] and words[3:] == ["("] else 0


def _is_value(word: str) -> bool:
    return word[:1] in ("'", '"') or word[:1].isdigit() or word in ("...", "None")
