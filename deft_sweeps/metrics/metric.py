"""What a metric is: one object that states everything the rest of the program needs to know of
it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.result import Cost, Point
from deft_sweeps.units import Dimension, quantity

Direction = Literal["maximize", "minimize"]
Reader = Callable[[Point, Cost | None], float | None]
Range = Callable[[Point | None], tuple[float, float]]

Display = Literal["table", "card", "asked"]
"""Where a metric is shown: in every `table` and card, in every `card` of a point, or only if it is
`asked` for: an objective or the metric of a limit. All that a point has is in its JSON and in
MLflow."""


@dataclass(frozen=True, slots=True)
class Measurable:
    """What decides whether a model can have a metric at a task at all.

    Attributes:
        stacks: of MLP blocks that the model has, `encoder` or `decoder`.
        writes: whether the model writes its answers to the task token by token.
    """

    stacks: tuple[str, ...]
    writes: bool


def always_measured(_of: Measurable) -> str:
    """No model lacks the metric."""
    return ""


def no_remark(_point: Point) -> str:
    """Nothing has to be said of a single value."""
    return ""


def at_least_zero(_point: Point | None) -> tuple[float, float]:
    """The range of a count or a size: [0, inf)."""
    return 0.0, math.inf


def unit_interval(_point: Point | None) -> tuple[float, float]:
    """The range of a share: [0, 1]."""
    return 0.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that a measured point has.

    Objectives, limits, policies, tables, MLflow's keys, figures and the live view derive from it.

    Attributes:
        name: in YAML, on the command line, in JSON and in MLflow.
        title: head of its column and label of its axis.
        meaning: a clause for the report, with the range.
        direction: which way is better.
        dimension: decides which units a limit may be written in.
        read: takes the value from a point and its trial's cost; None if it was not measured.
        of_point: whether a threshold changes it and a rung can measure it; otherwise it belongs to
            the whole trial and is measured at its end.
        possible: least and greatest possible value at a point (None: if no point is known yet), inf
            if there is none.
        standard_error: of its value at a point; None if it has none. With one, a limit on it may be
            judged by an interval (`surely`), and figures have error bars.
        axis_title: the label of its axis at a point, if that depends on the task.
        part_of: name of the metric in whose cells it is shown in brackets; empty for a column of
            its own.
        remark: what has to be said of a value at a point, a clause; empty if nothing.
        display: where it is shown.
        why_unmeasured: why a model never has it at a task, a clause; empty if it can.
        projection: how it is computed from counts, a clause for the report; empty if it is
            measured.
        proxy_in_search: whether a search takes it beside other trials. Such values differ up to
            fourfold between equal networks, so they exclude no trial while searching.
        of_runtime: whether the program that serves a model decides it.
        counts_zeros: whether it falls with the zeros of the gate. At a point whose zeros are float
            saturation such a value says nothing of the configuration.
    """

    name: str
    title: str
    meaning: str
    direction: Direction
    dimension: Dimension
    read: Reader
    of_point: bool
    possible: Range
    standard_error: Callable[[Point], float] | None = None
    axis_title: Callable[[Point], str] | None = None
    part_of: str = ""
    remark: Callable[[Point], str] = no_remark
    display: Display = "asked"
    why_unmeasured: Callable[[Measurable], str] = always_measured
    projection: str = ""
    proxy_in_search: bool = False
    of_runtime: bool = False
    counts_zeros: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether a limit on it may be judged by an interval (`surely`)."""
        return self.standard_error is not None

    @property
    def is_optional(self) -> bool:
        """Whether some models never have it."""
        return self.why_unmeasured is not always_measured

    @property
    def sign(self) -> float:
        """The factor that turns its values so that lower is better."""
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def better(self) -> str:
        """`higher` or `lower`."""
        return "higher" if self.direction == "maximize" else "lower"

    def label(self, cost: Cost | None) -> str:
        """How a value was come by, if that has to be said: `projected`, or a cost's label.

        Args:
            cost: of the trial, which says whether it ran alone.
        """
        if self.projection:
            return "projected"
        said = self.proxy_in_search or self.rests_on_proxy(cost)
        return cost.label if said and cost is not None else ""

    def rests_on_proxy(self, cost: Cost | None) -> bool:
        """Whether a trial has only a proxy of it: taken beside other trials, or in another runtime.

        Args:
            cost: of the trial, which says how it was taken.
        """
        if cost is None:
            return False
        if cost.label == "undeployed":
            return self.of_runtime
        return self.proxy_in_search and cost.label == "proxy"

    def worst(self, point: Point | None) -> float | None:
        """The worst possible value, None if values have no worst one."""
        low, high = self.possible(point)
        value = high if self.direction == "minimize" else low
        return value if math.isfinite(value) else None

    def text(self, value: float) -> str:
        """A value as tables show it, with its unit."""
        return quantity(value, self.dimension)
