"""What a metric is: one object that states everything the rest of the program needs to know of
it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.layout import Layout
from deft_sweeps.result import Cost, Point

Direction = Literal["maximize", "minimize"]
Dimension = Literal["share", "bytes", "seconds", "number"]
Reader = Callable[[Point, Cost | None], float | None]
Range = Callable[[Point | None], tuple[float, float]]
Absence = Callable[[Layout, bool], str]


def at_least_zero(_point: Point | None) -> tuple[float, float]:
    """The range of a count or a size: [0, inf)."""
    return 0.0, math.inf


def unit_interval(_point: Point | None) -> tuple[float, float]:
    """The range of a share: [0, 1]."""
    return 0.0, 1.0


def never_absent(_layout: Layout, _writes: bool) -> str:
    """Of a metric that every model and task has."""
    return ""


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
        absence: why no trial measures it, from the model's layout and whether the model writes its
            answers to the task; empty if trials do.
        has_interval: whether a limit on it may be judged by an interval (`surely`).
        projected: whether it is computed from counts and not measured.
        proxy_in_search: whether a search takes it beside other trials. Such values differ up to
            fourfold between equal networks, so they exclude no trial while searching.
    """

    name: str
    title: str
    meaning: str
    direction: Direction
    dimension: Dimension
    read: Reader
    of_point: bool
    possible: Range
    absence: Absence = never_absent
    has_interval: bool = False
    projected: bool = False
    proxy_in_search: bool = False

    @property
    def sign(self) -> float:
        """The factor that turns its values so that lower is better."""
        return -1.0 if self.direction == "maximize" else 1.0

    def worst(self, point: Point | None) -> float | None:
        """The worst possible value, None if values have no worst one."""
        low, high = self.possible(point)
        value = high if self.direction == "minimize" else low
        return value if math.isfinite(value) else None

    def text(self, value: float) -> str:
        """A value as tables show it, with its unit."""
        match self.dimension:
            case "share":
                return f"{value:.3f}"
            case "bytes":
                return f"{value / 2**20:.1f} MiB" if value >= 2**20 else f"{value:.0f} B"
            case "seconds":
                return f"{value * 1e3:.3g} ms"
            case "number":
                return f"{value:.4g}"
