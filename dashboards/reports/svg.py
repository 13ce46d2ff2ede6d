"""Charts as inline SVG: drawn offline, cleaned to plain shapes, safe to stand several times in one page."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import vl_convert
from markupsafe import Markup

NAMESPACE = "http://www.w3.org/2000/svg"
SHAPES = frozenset({"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clipPath", "linearGradient", "stop", "title"})
# Screen readers get the finding and the data table, and text the font of the page; the rest would triple the size.
NOISE = re.compile(r"^(aria-.*|role|class|pointer-events|version|font-family)$")
REFERENCE = re.compile(r"url\(#([^)]+)\)")


class UnsafeSvgError(Exception):
    """The drawing holds an element or a link that a chart has no use for."""


def draw_svg(spec: dict[str, Any], name: str, label: str) -> Markup:
    """A Vega-Lite specification as SVG markup; `name` keeps its ids apart from those of the other charts of the page.

    Data reach no address: the converter is allowed none.
    """
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return Markup(clean_svg(drawn, name, label))


def clean_svg(drawn: str, name: str, label: str) -> str:
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(drawn)
    drop_hidden(root)
    for element in root.iter():
        tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        if tag not in SHAPES:
            raise UnsafeSvgError(f"element {tag} in chart {name}")
        for attribute, value in list(element.attrib.items()):
            if NOISE.match(attribute):
                del element.attrib[attribute]
            elif attribute.startswith("on") or "href" in attribute:
                raise UnsafeSvgError(f"attribute {attribute} in chart {name}")
            elif attribute == "id":
                element.set("id", f"{name}-{value}")
            elif "url(" in value:
                element.set(attribute, REFERENCE.sub(rf"url(#{name}-\1)", value))
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def drop_hidden(parent: ElementTree.Element) -> None:
    """Shapes that paint nothing: hidden ones, and the empty background of each group."""
    for child in list(parent):
        is_empty = child.get("d") in ("", "M0,0h0v0h0Z") or child.get("display") == "none"
        if is_empty:
            parent.remove(child)
        else:
            drop_hidden(child)
