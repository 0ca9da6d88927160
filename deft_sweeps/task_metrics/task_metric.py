"""What a task's metric is: one object that states everything the rest of the program needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Answer = Literal["class", "number", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetric:
    """How well predictions fit references; higher is better.

    Exactly one of `by_example` and `weighted` is given.

    Attributes:
        name: in results, reports and YAML.
        meaning: a clause for the docs.
        answer: what it compares: class indices, numbers, or texts (a reference is then the list of
            texts that are right, empty if there is no answer).
        worst: lowest possible value; the highest is 1.
        n_classes: how many classes it needs, exactly; None takes any number.
        by_example: the score of one example in [0, 1], if the metric is the mean of these.
        weighted: of any other metric, its value over each weighting of the examples: takes
            predictions (n,), references (n,) and weights (weightings, n), all >= 0 and each row
            with a sum above 0; returns (weightings,). A weight of 2 counts an example twice.
    """

    name: str
    meaning: str
    answer: Answer
    worst: float = 0.0
    n_classes: int | None = None
    by_example: Callable[[Any, Any], float] | None = None
    weighted: Callable[[Array, Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        if (self.by_example is None) == (self.weighted is None):
            raise ValueError(f"{self.name}: expected exactly one of by_example and weighted")
