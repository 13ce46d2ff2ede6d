"""The chain of a figure as a drawing for a page's width: the figure on top, the models it comes through, the files and lists at the bottom.

A line never runs behind a box: where it passes a level, it has a lane of its own between the boxes, shared by all lines to the same box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warehouse.lineage.named import break_lines, shorten

BOX_WIDTH, BOX_HEIGHT = 262, 78
LANE_WIDTH, GAP, LEVEL, MARGIN = 6, 22, 122, 6
WIDTH = 1162
SWEEPS = 12
Lane = tuple[str, int]  # the box that lines go to, and the level where they pass between boxes
Node = tuple[str, dict[str, str], int]


@dataclass(frozen=True)
class Box:
    """One node. kind: `figure`, `model`, `source` or `list`."""

    name: str
    kind: str
    title: dict[str, str]
    row_count: int
    x: int
    y: int

    @property
    def label(self) -> dict[str, list[str]]:
        """What it is, in words that fit into the box: two lines at most."""
        return {lang: break_lines(text, BOX_WIDTH - 22, 13, 2) for lang, text in self.title.items()}

    @property
    def code(self) -> str:
        return shorten(self.name, BOX_WIDTH - 22, 11.5, is_code=True)


@dataclass(frozen=True)
class Line:
    """From what reads to what is read, as the path of a curve."""

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
    """Place what an explanation names by its distance from the figure, and lead the lines between."""
    nodes = _read_nodes(document)
    edges = [(step["model"], name) for step in document["steps"] for name in dict.fromkeys(step["reads"]) if name in nodes]
    level = _place_levels(nodes, edges)
    links, levels = _lay_lanes(edges, level)
    order = _order(levels, links)
    middle = _spread(order, level)
    boxes = [
        Box(name, *nodes[name], x=middle[name, level[name]] - BOX_WIDTH // 2, y=MARGIN + level[name] * LEVEL)
        for row in order
        for name, at in row
        if level[name] == at
    ]
    carrying = {entry["source"] for entry in document["sources"] if entry["carrying_count"]}
    carries = {name: nodes[name][0] in ("figure", "model") or name in carrying for name in nodes}
    lines = [Line(_lead(start, end, middle), carries[end[0]]) for start, end in links]
    lines += [
        Line(f"M{middle[lane]} {MARGIN + lane[1] * LEVEL} v{BOX_HEIGHT}", carries[lane[0]])
        for row in order
        for lane in row
        if level[lane[0]] != lane[1]
    ]
    widest = max(middle[row[-1]] + _width(row[-1], level) // 2 for row in order)
    return Picture(boxes, lines, max(WIDTH, widest + MARGIN), 2 * MARGIN + (len(order) - 1) * LEVEL + BOX_HEIGHT)


def _read_nodes(document: dict[str, Any]) -> dict[str, Node]:
    """Everything that gets a box: its kind, what it is in words, how many of its rows the figure rests on."""
    nodes: dict[str, Node] = {
        step["model"]: ("figure" if step["model"] == document["mart"] else "model", step["description"], step["row_count"])
        for step in document["steps"]
    }
    nodes |= {entry["source"]: ("source", entry["title"], entry["row_count"]) for entry in document["sources"]}
    return nodes | {entry["list"]: ("list", entry["title"], entry["row_count"]) for entry in document["lists"]}


def _place_levels(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> dict[str, int]:
    """The level of each box: below all that reads it, files and lists below all models, and no more on a level than the page is wide."""
    most = WIDTH // (BOX_WIDTH + GAP)
    level: dict[str, int] = {}
    made = [name for name, (kind, _, _) in nodes.items() if kind in ("figure", "model")]  # each stands before what it reads
    for name in [*made, *(each for each in nodes if each not in made)]:
        above = (
            [level[reader] for reader, read in edges if read == name and reader in level]
            if name in made
            else [level[each] for each in made]
        )
        at = max(above, default=-1) + 1
        while sum(other == at for other in level.values()) >= most:
            at += 1
        level[name] = at
    return level


def _lay_lanes(edges: list[tuple[str, str]], level: dict[str, int]) -> tuple[list[tuple[Lane, Lane]], list[list[Lane]]]:
    """Lines cut where they pass a level, and what stands on each level; a box is the lane of itself on its own level."""
    links: dict[tuple[Lane, Lane], None] = {}
    levels: list[dict[Lane, None]] = [{} for _ in range(max(level.values()) + 1)]
    for name, at in level.items():
        levels[at][name, at] = None
    for reader, name in edges:
        above: Lane = (reader, level[reader])
        for at in range(level[reader] + 1, level[name] + 1):
            lane = (name, at)
            levels[at][lane] = None
            links[above, lane] = None
            above = lane
    return list(links), [list(lanes) for lanes in levels]


def _order(levels: list[list[Lane]], links: list[tuple[Lane, Lane]]) -> list[list[Lane]]:
    """Each level from left to right, near the middle of what it is linked with above and below, so that few lines cross."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        steps = range(1, len(levels)) if down else range(len(levels) - 2, -1, -1)
        for at in steps:
            beside = levels[at - 1 if down else at + 1]
            place = {lane: (number + 0.5) / len(beside) for number, lane in enumerate(beside)}
            own = {lane: (number + 0.5) / len(levels[at]) for number, lane in enumerate(levels[at])}
            drawn = {
                lane: [place[start if down else end] for start, end in links if (end if down else start) == lane] or [own[lane]]
                for lane in levels[at]
            }
            levels[at] = sorted(levels[at], key=lambda lane: (sum(drawn[lane]) / len(drawn[lane]), own[lane]))
    return levels


def _spread(levels: list[list[Lane]], level: dict[str, int]) -> dict[Lane, int]:
    """The middle of each box and lane: every level centred on the page."""
    widths = [sum(_width(lane, level) for lane in row) + GAP * (len(row) - 1) for row in levels]
    page = max(WIDTH - 2 * MARGIN, *widths)
    middle = {}
    for row, width in zip(levels, widths, strict=True):
        x = MARGIN + (page - width) // 2
        for lane in row:
            middle[lane] = x + _width(lane, level) // 2
            x += _width(lane, level) + GAP
    return middle


def _width(lane: Lane, level: dict[str, int]) -> int:
    return BOX_WIDTH if level[lane[0]] == lane[1] else LANE_WIDTH


def _lead(start: Lane, end: Lane, middle: dict[Lane, int]) -> str:
    """A curve through the space between two levels."""
    y1, y2 = MARGIN + start[1] * LEVEL + BOX_HEIGHT, MARGIN + end[1] * LEVEL
    half = (y1 + y2) // 2
    return f"M{middle[start]} {y1} C{middle[start]} {half} {middle[end]} {half} {middle[end]} {y2}"
