"""matplotlib figures as small, deterministic SVG text whose points can be told apart by a page."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK = "#1f2328"
"""Lines and text; `inline` makes it the page's own colour, so that a dark page stays legible."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_STYLE: Any = {
    "svg.hashsalt": "deft_sweeps",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "grid.color": "#8c959f",
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Spot:
    """What one drawn point is called, and what it says to who hovers over it or reads with a screen
    reader.
    """

    id: str
    words: str


def style() -> Any:
    """Context in which figures of this package are made and saved."""
    return mpl.rc_context(_STYLE)


def to_svg(figure: Figure, title: str, series: Mapping[str, Sequence[Spot]]) -> str:
    """The figure as SVG with a white ground, the same text each time.

    Args:
        figure: made within `style()`.
        title: read out in place of the picture.
        series: gid of a line's markers to its points, in the order they were drawn.
    """
    buffer = io.BytesIO()
    with style():
        figure.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written by matplotlib just above
    root.set("role", "group")
    root.set("aria-label", title)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for group in list(root.iter(f"{{{_SVG}}}g")):
        spots = series.get(group.attrib.pop("id", ""), ())
        for marker, spot in zip(group.iter(f"{{{_SVG}}}use"), spots, strict=bool(spots)):
            marker.attrib.update(
                {
                    "id": spot.id,
                    "class": "spot",
                    "tabindex": "0",
                    "role": "img",
                    "aria-label": spot.words,
                }
            )
    return ET.tostring(root, encoding="unicode") + "\n"


def inline(svg: str) -> str:
    """The SVG for use inside an HTML page: as wide as its place, in the page's ink, on the page's
    ground.
    """
    root = ET.fromstring(svg)  # noqa: S314 - written by `to_svg`
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    ground = root.find(f"{{{_SVG}}}g/{{{_SVG}}}g/{{{_SVG}}}path")
    if ground is not None:
        ground.set("style", "fill: none")
    text = ET.tostring(root, encoding="unicode")
    return (
        text.replace(f' xmlns="{_SVG}"', "")
        .replace(f' xmlns:xlink="{_XLINK}"', "")
        .replace("xlink:href", "href")
        .replace(INK, "currentColor")
    )
