"""The picture of a sweep's points: the first two objectives, the front, and plain PEFT beside."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deft_sweeps.config.label import label
from deft_sweeps.findings import Findings
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.pareto_front import counts_saturation
from deft_sweeps.front import non_dominated
from deft_sweeps.metrics import DEFAULT_OBJECTIVES, METRICS, Metric
from deft_sweeps.report.figure_axis import BLUE, GREEN, GREY, ORANGE, scale_axis
from deft_sweeps.report.point_element import ref_of
from deft_sweeps.report.svg import INK, Spot, style, to_svg
from deft_sweeps.report.table_cells import MeasuredRow, metric_text


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

    @property
    def names(self) -> tuple[str, str]:
        """Of both metrics."""
        return self.x.name, self.y.name

    def points(self, members: Sequence[FrontMember]) -> tuple[list[float], list[float]]:
        """The members' values on both axes."""
        x, y = ([member.values[name] for member in members] for name in self.names)
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
    series = _series(pool, choice, findings.objectives)
    with style():
        figure = Figure(figsize=(8.6, 5.0), layout="constrained")
        axes = figure.subplots()
        _draw_front(axes, plane, choice.front.members)
        shown = [member for member in findings.pool if plane.holds(member)]
        _draw_plain(axes, plane, [m for m in shown if not counts_saturation(m, plane.names)])
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
        scale_axis(axes.xaxis, x, plane.x)
        scale_axis(axes.yaxis, y, plane.y, from_zero=False)
        axes.set_xlabel(_axis_label(plane.x, pool), parse_math=False)
        axes.set_ylabel(_axis_label(plane.y, pool), parse_math=False)
        if pool:
            figure.legend(loc="outside upper left", ncols=3, handletextpad=0.5, columnspacing=1.6)
        spots = {one.gid: [Spot(ref_of(m), words(m, plane)) for m in one.members] for one in series}
        of = (
            "every measured point" if len(pool) == n_points else f"{len(pool)} of {n_points} points"
        )
        return to_svg(figure, f"{_capitalised(plane.y.title)} over {plane.x.title} of {of}", spots)


def _series(
    pool: Sequence[FrontMember], choice: Choice, objectives: Sequence[str]
) -> list[_Series]:
    """Every point in exactly one series; the ones that matter most come last and lie on top."""
    front = {member.name: member for member in choice.front.members}
    chosen = choice.member.name if choice.member else ""
    parts: dict[str, list[FrontMember]] = {
        "saturated": [],
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
        if member.name == chosen:
            kind = "chosen"
        elif member.name in front:
            kind = f"front-{kind}"
        elif counts_saturation(member, objectives):
            kind = "saturated"
        parts[kind].append(member)
    looks = {
        "saturated": ("no threshold: float saturation", "D", 4.5, "none", GREY, 0.9),
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
