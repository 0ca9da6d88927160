"""What a deployed model says of one input. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer.

    Attributes:
        value: the class's name, a number, or a text; an empty text is no answer.
        probabilities: of each class, by its name; they sum to 1. Empty for other kinds of task.
    """

    value: str | float
    probabilities: Mapping[str, float]

    @property
    def probability(self) -> float | None:
        """Of the class that is the answer; None for other kinds of task."""
        return self.probabilities.get(str(self.value)) if self.probabilities else None

    def as_json(self) -> dict[str, Any]:
        """`value`, and `probabilities` where there are any."""
        if not self.probabilities:
            return {"value": self.value}
        return {"value": self.value, "probabilities": dict(self.probabilities)}
