"""Predictions beside references, compact: what a metric that is no mean over examples needs to be compared example by example."""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.config.axes import check


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Of each held-out example in the split's order, one line of numbers between spaces, a tenth of a JSON list's bytes.

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
        return tuple(map(float, self.predictions.split())), tuple(map(float, self.references.split()))


def _line(values: Sequence[float]) -> str:
    return " ".join(f"{float(value):.6g}" for value in values)
