"""What is stored of single held-out examples, compactly: their scores, or predictions and
references.

Each is one line of numbers with spaces in between. A right-or-wrong score takes two bytes of memory
and of a result file that way, instead of 32 and 12.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from pydantic_core import CoreSchema, core_schema

from deft_sweeps.config.axes import check


@dataclass(frozen=True, slots=True)
class ExampleScores(Sequence[float]):
    """The score of each held-out example, in the split's order.

    A JSON file holds the line as a string; a list of numbers, as earlier versions wrote, is read
    too.

    Attributes:
        line: the scores, each in [0, 1], with spaces in between; empty if the metric is no mean
            over examples.
    """

    line: str = ""

    @staticmethod
    def of(scores: Sequence[float]) -> "ExampleScores":
        """Packs the scores; every digit of them is preserved."""
        return ExampleScores(" ".join(_shortest(score) for score in scores))

    def array(self) -> NDArray[np.float64]:
        """The scores, shape (n,)."""
        if not self.line:
            return np.zeros(0)
        # Right or wrong: read the bytes, which is far quicker.
        if _is_right_or_wrong(self.line):
            return (np.frombuffer(self.line.encode(), dtype=np.uint8)[::2] - ord("0")).astype(float)
        return np.array(self.line.split(), dtype=float)

    def __len__(self) -> int:
        return self.line.count(" ") + 1 if self.line else 0

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        scores: list[float] = self.array().tolist()
        return scores[index]

    def __iter__(self) -> Iterator[float]:
        return iter(self.array().tolist())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda scores: scores.line
            ),
        )

    @classmethod
    def _validated(cls, value: object) -> "ExampleScores":
        match value:
            case str():  # First: it is what files hold, and whether a class is abstract is slow.
                check(_is_number_line(value), "numbers with spaces in between", value[:40])
                return cls(value)
            case ExampleScores():
                return value
            case list() | tuple() if all(type(score) in (int, float) for score in value):
                return cls.of([float(score) for score in value])
            case _:
                raise ValueError(f"expected a line of numbers, got {type(value).__name__}")


NO_SCORES = ExampleScores()


def mean_scores(of_seeds: Sequence[ExampleScores]) -> NDArray[np.float64]:
    """The score of each held-out example, the mean over the seeds, shape (n,); empty if a seed has
    none or another number of them.
    """
    if len({len(scores) for scores in of_seeds}) != 1:
        return np.zeros(0)
    means: NDArray[np.float64] = np.mean([scores.array() for scores in of_seeds], axis=0)
    return means


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Of each held-out example in the split's order, one line of numbers between spaces, a tenth of
    a JSON list's bytes.

    Attributes:
        predictions: class indices, or numbers to six digits.
        references: the same.
    """

    predictions: str
    references: str

    def __post_init__(self) -> None:
        counts = len(self.predictions.split()), len(self.references.split())
        check(counts[0] == counts[1] > 0, "as many predictions as references, one at least", counts)

    @staticmethod
    def of(predictions: Sequence[float], references: Sequence[float]) -> "Outcomes":
        """The outcomes of these numbers, one an example."""
        return Outcomes(predictions=_line(predictions), references=_line(references))

    def read(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Predictions and references."""
        return tuple(map(float, self.predictions.split())), tuple(
            map(float, self.references.split())
        )


def _line(values: Sequence[float]) -> str:
    return " ".join(f"{float(value):.6g}" for value in values)


def _shortest(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value in (0.0, 1.0) else repr(float(value))


def _is_number_line(text: str) -> bool:
    if not text or _is_right_or_wrong(text):
        return True
    try:
        return bool(np.isfinite(np.array(text.split(" "), dtype=float)).all())
    except ValueError:
        return False


def _is_right_or_wrong(text: str) -> bool:
    """Whether the line is zeros and ones with single spaces in between, one number at least.

    Pairs of a digit and a space never overlap, so they and the last digit are the whole line if
    their lengths add up to it: a fifth of a regular expression's time.
    """
    n_pairs = text.count("0 ") + text.count("1 ")
    return len(text) == 2 * n_pairs + 1 and text[-1] in "01"
