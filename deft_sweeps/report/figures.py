"""The pictures of a sweep. Colours are Okabe and Ito's, which colour-blind readers can tell apart;
shapes say the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from deft_sweeps.config.label import label
from deft_sweeps.findings import Findings
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.front import non_dominated
from deft_sweeps.report.cells import density_text, difference_text, score_text
from deft_sweeps.report.svg import INK, Spot, style, to_svg
from deft_sweeps.report.tables import point_id, ref_of
from deft_sweeps.result import DensityReading

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
LOG_FROM = 20.0
"""Ratio of the largest to the smallest density from which the axis is logarithmic."""


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


def words(member: FrontMember) -> str:
    """One line that says what a point is."""
    told = f"{label(member.result.config)} at threshold {member.point.at}"
    return (
        f"{told}: score {score_text(member.point.score)}, density"
        f" {density_text(member.point.density)}"
    )


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
    """Score over activation density as SVG text: the measured points, the front as a step line,
    the best of all plain PEFT beside it.

    Args:
        findings: of a sweep.
        drawn: as `drawn_points` returns; None takes them.
    """
    pool = drawn_points(findings) if drawn is None else drawn
    choice, n_points = findings.choice, len(findings.points)
    series = _series(pool, choice)
    with style():
        figure = Figure(figsize=(8.6, 5.0), layout="constrained")
        axes = figure.subplots()
        _draw_front(axes, choice)
        _draw_plain(axes, findings.pool)
        for one in series:
            x, y = _xy(one.members)
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
        _scale(axes, _xy(pool)[0])
        metrics = sorted({member.point.score.metric for member in pool})
        axes.set_ylabel(
            f"{' / '.join(metrics) or 'score'} on validation examples (higher is better)",
            parse_math=False,
        )
        axes.set_xlabel("activation density (lower is better)")
        if pool:
            figure.legend(loc="outside upper left", ncols=3, handletextpad=0.5, columnspacing=1.6)
        spots = {one.gid: [Spot(ref_of(m), words(m)) for m in one.members] for one in series}
        of = (
            "every measured point" if len(pool) == n_points else f"{len(pool)} of {n_points} points"
        )
        return to_svg(figure, f"Score over activation density of {of}", spots)


def gain_by_density(gains: Sequence[EqualDensityGain]) -> str:
    """DEFT minus plain PEFT at equal density, with 95% intervals, over the density; above zero the
    density loss pays.
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
        _scale(axes, x)
        axes.set_xlabel("activation density of both")
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
        panels[0].set_ylabel("activation density")
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
    found = []
    for part, (name, marker, size, fill, edge, alpha) in looks.items():
        if parts[part]:
            found.append(
                _Series(f"series-{part}", name, tuple(parts[part]), marker, size, fill, edge, alpha)
            )
    return found


def _xy(members: Sequence[FrontMember]) -> tuple[list[float], list[float]]:
    return [member.values["activation_density"] for member in members], [
        member.values["score"] for member in members
    ]


def _standard_error(member: FrontMember) -> float:
    """Of the score: of several seeds, of their mean over training seeds; of one, of its mean over
    examples.
    """
    mean = member.over_seeds("score")
    return member.point.score.standard_error if mean is None else mean.deviation / mean.n_seeds**0.5


def _draw_front(axes: Axes, choice: Choice) -> None:
    """The staircase of the best score that a density allows, with one standard error at each
    member.
    """
    members = choice.front.members
    if not members:
        return
    x, y = _xy(members)
    axes.errorbar(
        x,
        y,
        yerr=[_standard_error(m) for m in members],
        fmt="none",
        ecolor=INK,
        elinewidth=0.9,
        capsize=2.5,
        alpha=0.7,
        zorder=3,
    )
    # With more than two objectives some members are beaten in this plane; the staircase runs over
    # the others.
    stairs = _stairs(members)
    axes.plot(
        [a for a, _ in stairs],
        [b for _, b in stairs],
        drawstyle="steps-post",
        color=INK,
        linewidth=1.6,
        label="front, ± 1 standard error",
        zorder=3.5,
    )


def _draw_plain(axes: Axes, members: Sequence[FrontMember]) -> None:
    """The staircase of the best score that plain PEFT of any other settings reaches, at any
    threshold.
    """
    plain = [m for m in members if not m.result.config.has_density_loss]
    if not plain:
        return
    stairs = _stairs(plain)
    axes.plot(
        [density for density, _ in stairs],
        [score for _, score in stairs],
        drawstyle="steps-post",
        linestyle=(0, (5, 2)),
        color=ORANGE,
        linewidth=2.0,
        label="best of all plain PEFT, thresholded",
        zorder=3.2,
    )


def _stairs(members: Sequence[FrontMember]) -> list[tuple[float, float]]:
    """Density and score of the members that no other beats in both, rising in density."""
    points = list(zip(*_xy(members), strict=True))
    best = non_dominated(points, ("minimize", "maximize"))
    return sorted({point for point, on_hull in zip(points, best, strict=True) if on_hull})


def _scale(axes: Axes, densities: Sequence[float]) -> None:
    if densities and min(densities) > 0 and max(densities) / min(densities) > LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(left=min(0.0, *densities) if densities else 0.0)
