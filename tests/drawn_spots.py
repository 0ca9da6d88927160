"""The points of a drawn figure, read back from its SVG text."""

import xml.etree.ElementTree as ET


def spots(svg: str) -> dict[str, dict[str, str]]:
    """The attributes of each point's element, by its name."""
    return {
        e.attrib["id"]: e.attrib
        for e in ET.fromstring(svg).iter()
        if e.attrib.get("class") == "spot"
    }
