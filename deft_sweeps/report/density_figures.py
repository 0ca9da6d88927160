"""The pictures of what the density loss does: the gain at equal density, and density by block."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deft_sweeps.config.label import label
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.metrics import ACTIVATION_DENSITY
from deft_sweeps.report.figure_axis import BLUE, ORANGE, scale_axis
from deft_sweeps.report.point_element import point_id
from deft_sweeps.report.svg import INK, Spot, style, to_svg
from deft_sweeps.report.table_cells import difference_text
from deft_sweeps.result import DensityReading

MOST_DRAWN = 3000
"""Comparisons drawn one by one: each takes a kilobyte of the page."""


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
        scale_axis(axes.xaxis, x, ACTIVATION_DENSITY)
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
