"""Colours and axes that the figures share. The colours are Okabe and Ito's, which colour-blind
readers can tell apart; shapes say the same again.
"""

from collections.abc import Sequence

from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from deft_sweeps.metrics import Metric

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#777777"
LOG_FROM = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


def scale_axis(
    axis: Axis, values: Sequence[float], metric: Metric, *, from_zero: bool = True
) -> None:
    """Makes an axis logarithmic if its values span LOG_FROM, and labels it in the metric's unit."""
    has_unit = metric.dimension in ("bytes", "seconds")
    text = metric.text if has_unit else "{:g}".format
    is_log = bool(values) and min(values) > 0 and max(values) / min(values) > LOG_FROM
    is_x = isinstance(axis, XAxis)
    if is_log:
        (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())
    elif from_zero:
        (axis.axes.set_xlim if is_x else axis.axes.set_ylim)(min(0.0, *values) if values else 0.0)
    if is_log or has_unit:
        axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
