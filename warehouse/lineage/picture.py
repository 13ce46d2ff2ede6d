"""The chain of a figure as a drawing: the figure on the left, the models it comes through, the files and lists on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BOX_WIDTH, BOX_HEIGHT = 250, 46
COLUMN, ROW, MARGIN = 310, 62, 12
LONGEST = 36


@dataclass(frozen=True)
class Box:
    """One node. kind: `figure`, `model`, `source` or `list`."""

    name: str
    kind: str
    row_count: int
    x: int
    y: int

    @property
    def label(self) -> str:
        return self.name if len(self.name) <= LONGEST else self.name[: LONGEST - 1] + "…"


@dataclass(frozen=True)
class Line:
    """An arrow from what is read to what reads it, as the path of a curve."""

    path: str
    carries: bool


@dataclass(frozen=True)
class Picture:
    """Boxes and lines with their places, ready to be drawn."""

    boxes: list[Box]
    lines: list[Line]
    width: int
    height: int


def draw(document: dict[str, Any]) -> Picture:
    """Place the models of an explanation by their distance from the figure; what no model makes stands in the last column."""
    kinds = {step["model"]: "model" for step in document["steps"]}
    counts = {step["model"]: step["row_count"] for step in document["steps"]}
    for kind, name in (("source", "source"), ("list", "list")):
        for entry in document[f"{kind}s"]:
            kinds[entry[name]], counts[entry[name]] = kind, entry["row_count"]
    reads = {step["model"]: [name for name in step["reads"] if name in kinds] for step in document["steps"]}
    depth = {document["mart"]: 0}
    for step in document["steps"]:  # the figure's own first, each before what it reads
        for parent in reads[step["model"]]:
            depth[parent] = max(depth.get(parent, 0), depth.get(step["model"], 0) + 1)
    last = max((level for name, level in depth.items() if kinds[name] == "model"), default=0) + 1
    columns: dict[int, list[str]] = {}
    for name, kind in kinds.items():
        columns.setdefault(depth.get(name, 0) if kind == "model" else last, []).append(name)
    tallest = max(len(names) for names in columns.values())
    boxes = {
        name: Box(name, kinds[name], counts[name], MARGIN + level * COLUMN, MARGIN + place * ROW + (tallest - len(names)) * ROW // 2)
        for level, names in columns.items()
        for place, name in enumerate(names)
    }
    carrying = {entry["source"] for entry in document["sources"] if entry["carrying_count"]}
    lines = [
        _connect(boxes[child], boxes[parent], kinds[parent] == "model" or parent in carrying)
        for child, parents in reads.items()
        for parent in dict.fromkeys(parents)
    ]
    return Picture(list(boxes.values()), lines, 2 * MARGIN + last * COLUMN + BOX_WIDTH, 2 * MARGIN + tallest * ROW)


def _connect(child: Box, parent: Box, carries: bool) -> Line:
    x1, y1 = child.x + BOX_WIDTH, child.y + BOX_HEIGHT // 2
    x2, y2 = parent.x, parent.y + BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return Line(f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}", carries)
