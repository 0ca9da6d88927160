"""The pictures of a sweep. Colours are Okabe and Ito's, which colour-blind readers can tell apart;
shapes say the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from deft_sweeps.config.label import label
from deft_sweeps.findings import Findings
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.front import non_dominated
from deft_sweeps.metrics import ACTIVATION_DENSITY, DEFAULT_OBJECTIVES, METRICS, Metric
from deft_sweeps.report.svg import INK, Spot, style, to_svg
from deft_sweeps.report.table_cells import MeasuredRow, difference_text, metric_text
from deft_sweeps.report.tables import point_id, ref_of
from deft_sweeps.result import DensityReading

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
LOG_FROM = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The two metrics that the scatter's axes show."""

    x: Metric
    y: Metric

    @staticmethod
    def of(objectives: Sequence[str]) -> "Plane":
        """The first two objectives; one whose higher values are better points upwards."""
        first, second = (METRICS[name] for name in objectives[:2])
        if second.direction == "maximize" and first.direction == "minimize":
            return Plane(x=first, y=second)
        return Plane(x=second, y=first)

    def points(self, members: Sequence[FrontMember]) -> tuple[list[float], list[float]]:
        """The members' values on both axes."""
        names = self.x.name, self.y.name
        x, y = ([member.values[name] for member in members] for name in names)
        return x, y

    def holds(self, member: FrontMember) -> bool:
        """Whether the member has a value on both axes."""
        return self.x.name in member.values and self.y.name in member.values

    def stairs(self, members: Sequence[FrontMember]) -> list[tuple[float, float]]:
        """The points of the members that no other beats on both axes, rising in x."""
        points = list(zip(*self.points(members), strict=True))
        best = non_dominated(points, (self.x.direction, self.y.direction))
        return sorted({point for point, is_best in zip(points, best, strict=True) if is_best})

    @property
    def step(self) -> str:
        """How a staircase goes from one corner to the next: a value of x is reached by any point
        that is at least as good in x.
        """
        return "steps-post" if self.x.direction == "minimize" else "steps-pre"


@dataclass(frozen=True, slots=True)
class _Series:
    """Points that look alike."""

    gid: str
    name: str
    members: tuple[FrontMember, ...]
    marker: str
    size: float
    fill: str
    edge: str
    alpha: float = 1.0


def words(member: FrontMember, plane: Plane) -> str:
    """One line that says what a point is."""
    row = MeasuredRow.of_member(member)
    names = dict.fromkeys((*DEFAULT_OBJECTIVES, plane.y.name, plane.x.name))
    values = (f"{METRICS[name].title} {metric_text(METRICS[name], row)}" for name in names)
    return f"{label(member.result.config)} at threshold {member.point.at}: {', '.join(values)}"


MOST_DRAWN = 3000
"""Points drawn one by one: each takes a kilobyte of the page."""


def drawn_points(findings: Findings) -> tuple[FrontMember, ...]:
    """The measured points that the scatter shows: all of them, or the front and an even share of
    the others.
    """
    points = findings.points
    if len(points) <= MOST_DRAWN:
        return points
    choice = findings.choice
    named = {member.name for member in choice.front.members}
    named |= {m.name for m in (choice.member, choice.baseline) if m is not None}
    step = len(points) / MOST_DRAWN
    even = {int(i * step) for i in range(MOST_DRAWN)}
    return tuple(m for i, m in enumerate(points) if i in even or m.name in named)


def scatter(findings: Findings, drawn: Sequence[FrontMember] | None = None) -> str:
    """The sweep's first two objectives as SVG text: the measured points, the front as a step line,
    the best of all plain PEFT beside it.

    Args:
        findings: of a sweep.
        drawn: as `drawn_points` returns; None takes them.
    """
    plane = Plane.of(findings.objectives)
    pool = [m for m in (drawn_points(findings) if drawn is None else drawn) if plane.holds(m)]
    choice, n_points = findings.choice, len(findings.points)
    series = _series(pool, choice)
    with style():
        figure = Figure(figsize=(8.6, 5.0), layout="constrained")
        axes = figure.subplots()
        _draw_front(axes, plane, choice.front.members)
        _draw_plain(axes, plane, [member for member in findings.pool if plane.holds(member)])
        for one in series:
            x, y = plane.points(one.members)
            axes.plot(
                x,
                y,
                linestyle="none",
                marker=one.marker,
                markersize=one.size,
                markerfacecolor=one.fill,
                markeredgecolor=one.edge,
                markeredgewidth=0.9,
                alpha=one.alpha,
                gid=one.gid,
                label=one.name,
                zorder=4 + one.size / 10,
            )
        x, y = plane.points(pool)
        _scale(axes.xaxis, x, plane.x)
        _scale(axes.yaxis, y, plane.y, from_zero=False)
        axes.set_xlabel(_axis_label(plane.x, pool), parse_math=False)
        axes.set_ylabel(_axis_label(plane.y, pool), parse_math=False)
        if pool:
            figure.legend(loc="outside upper left", ncols=3, handletextpad=0.5, columnspacing=1.6)
        spots = {one.gid: [Spot(ref_of(m), words(m, plane)) for m in one.members] for one in series}
        of = (
            "every measured point" if len(pool) == n_points else f"{len(pool)} of {n_points} points"
        )
        return to_svg(figure, f"{_capitalised(plane.y.title)} over {plane.x.title} of {of}", spots)


def gain_by_density(gains: Sequence[EqualDensityGain]) -> str:
    """DEFT minus plain PEFT at equal density, over the density; above zero the density loss pays.

    The 95% intervals hold for all rows at once.
    """
    compared = [(gain, gain.difference) for gain in gains if gain.difference is not None]
    compared = compared[:: max(1, -(-len(compared) // MOST_DRAWN))]
    x = [gain.point.density.overall for gain, _ in compared]
    y = [difference.value for _, difference in compared]
    reach = [[d.value - d.low for _, d in compared], [d.high - d.value for _, d in compared]]
    with style():
        figure = Figure(figsize=(8.6, 2.9), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color=INK, linewidth=1.0)
        axes.errorbar(
            x, y, yerr=reach, fmt="none", ecolor=BLUE, elinewidth=1.1, capsize=2.5, alpha=0.8
        )
        axes.plot(x, y, "o", color=BLUE, markeredgecolor=INK, gid="series-gain")
        _scale(axes.xaxis, x, ACTIVATION_DENSITY)
        axes.set_xlabel(f"{ACTIVATION_DENSITY.title} of both")
        axes.set_ylabel("DEFT - plain PEFT")
        spots = [
            Spot(
                f"gain-{point_id(gain.deft.trial_id, gain.point.at)}",
                f"{label(gain.deft.config)}: {difference_text(d)}",
            )
            for gain, d in compared
        ]
        return to_svg(
            figure, "Score of DEFT minus plain PEFT at equal density", {"series-gain": spots}
        )


def density_by_block(deft: DensityReading, plain: DensityReading) -> str:
    """Density of each MLP block, plain PEFT beside DEFT, as SVG text; one panel a stack."""
    stacks = [
        (name, a, b)
        for name, a, b in (
            ("encoder", deft.encoder_blocks, plain.encoder_blocks),
            ("decoder", deft.decoder_blocks, plain.decoder_blocks),
        )
        if a or b
    ]
    with style():
        figure = Figure(figsize=(8.6, 2.9), layout="constrained")
        panels = figure.subplots(1, len(stacks), sharey=True, squeeze=False)[0]
        for axes, (name, mine, theirs) in zip(panels, stacks, strict=True):
            axes.plot(
                range(1, len(theirs) + 1),
                theirs,
                "s--",
                color=ORANGE,
                markeredgecolor=INK,
                label="plain PEFT",
            )
            axes.plot(
                range(1, len(mine) + 1), mine, "o-", color=BLUE, markeredgecolor=INK, label="DEFT"
            )
            axes.set_xlabel(f"{name} block")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(bottom=0)
        panels[0].set_ylabel(ACTIVATION_DENSITY.title)
        panels[-1].legend()
        return to_svg(figure, "Activation density of each MLP block, plain PEFT beside DEFT", {})


def _series(pool: Sequence[FrontMember], choice: Choice) -> list[_Series]:
    """Every point in exactly one series; the ones that matter most come last and lie on top."""
    front = {member.name: member for member in choice.front.members}
    chosen = choice.member.name if choice.member else ""
    parts: dict[str, list[FrontMember]] = {
        "plain": [],
        "deft": [],
        "front-plain": [],
        "front-deft": [],
        "chosen": [],
    }
    for one in pool:
        # Of several seeds, the one that stands for them lies at their mean.
        member = front.get(one.name, one)
        kind = "deft" if member.result.config.has_density_loss else "plain"
        parts[
            "chosen" if member.name == chosen else f"front-{kind}" if member.name in front else kind
        ].append(member)
    looks = {
        "plain": ("no density loss", "s", 5.0, ORANGE, ORANGE, 0.55),
        "deft": ("density loss (DEFT)", "o", 5.0, BLUE, BLUE, 0.5),
        "front-plain": ("no density loss, on the front", "s", 7.5, ORANGE, INK, 1.0),
        "front-deft": ("density loss (DEFT), on the front", "o", 8.0, BLUE, INK, 1.0),
        "chosen": ("chosen", "*", 17.0, GREEN, INK, 1.0),
    }
    steps = []
    for part, (name, marker, size, fill, edge, alpha) in looks.items():
        if parts[part]:
            steps.append(
                _Series(f"series-{part}", name, tuple(parts[part]), marker, size, fill, edge, alpha)
            )
    return steps


def _errors(metric: Metric, members: Sequence[FrontMember]) -> list[float] | None:
    """Standard errors of a metric: of several seeds, of their mean over training seeds; of one, of
    its mean over examples. None if it has none.
    """
    of_point = metric.standard_error
    if of_point is None:
        return None
    errors = []
    for member in members:
        mean = member.over_seeds(metric.name)
        spread = None if mean is None else mean.deviation / mean.n_seeds**0.5
        errors.append(of_point(member.point) if spread is None else spread)
    return errors


def _draw_front(axes: Axes, plane: Plane, members: Sequence[FrontMember]) -> None:
    """The staircase of the best y that a value of x allows, with one standard error at each member
    on the axes that have one.
    """
    if not members:
        return
    x, y = plane.points(members)
    x_errors, y_errors = _errors(plane.x, members), _errors(plane.y, members)
    if x_errors or y_errors:
        axes.errorbar(
            x,
            y,
            xerr=x_errors,
            yerr=y_errors,
            fmt="none",
            ecolor=INK,
            elinewidth=0.9,
            capsize=2.5,
            alpha=0.7,
            zorder=3,
        )
    # With more than two objectives some members are beaten in this plane; the staircase runs over
    # the others.
    stairs = plane.stairs(members)
    axes.plot(
        [a for a, _ in stairs],
        [b for _, b in stairs],
        drawstyle=plane.step,
        color=INK,
        linewidth=1.6,
        label="front, ± 1 standard error" if x_errors or y_errors else "front",
        zorder=3.5,
    )


def _draw_plain(axes: Axes, plane: Plane, members: Sequence[FrontMember]) -> None:
    """The staircase of the best that plain PEFT of any other settings reaches, at any threshold."""
    plain = [m for m in members if not m.result.config.has_density_loss]
    if not plain:
        return
    stairs = plane.stairs(plain)
    axes.plot(
        [a for a, _ in stairs],
        [b for _, b in stairs],
        drawstyle=plane.step,
        linestyle=(0, (5, 2)),
        color=ORANGE,
        linewidth=2.0,
        label="best of all plain PEFT, thresholded",
        zorder=3.2,
    )


def _axis_label(metric: Metric, members: Sequence[FrontMember]) -> str:
    """What an axis shows, how it was come by, and which way is better."""
    title, of_point = metric.title, metric.axis_title
    if of_point is not None:
        title = " / ".join(sorted({of_point(member.point) for member in members})) or title
        title += " on validation examples"
    labels = " / ".join(sorted({metric.label(member.result.cost) for member in members} - {""}))
    return f"{title}{f', {labels}' if labels else ''} ({metric.better} is better)"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scale(axis: Axis, values: Sequence[float], metric: Metric, *, from_zero: bool = True) -> None:
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
