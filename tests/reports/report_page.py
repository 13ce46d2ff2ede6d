"""Reading a written report back: the standard library's parser is enough for what the tests ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    def walk(self) -> list[Element]:
        return [self] + [inner for child in self.children if isinstance(child, Element) for inner in child.walk()]

    def find_all(self, tag: str, **attributes: str) -> list[Element]:
        return [e for e in self.walk() if e.tag == tag and all(e.attributes.get(k) == v for k, v in attributes.items())]

    def find_id(self, identifier: str) -> Element | None:
        return next((e for e in self.walk() if e.attributes.get("id") == identifier), None)

    def get_id(self, identifier: str) -> Element:
        found = self.find_id(identifier)
        assert found is not None, f"no element #{identifier}"
        return found

    def read_text(self, language: str | None = None) -> str:
        """The text a reader of that language sees: what is marked as the other language is left out."""
        other = {"zh": "en", "en": "zh"}.get(language or "")
        parts = []
        for child in self.children:
            if isinstance(child, str):
                parts.append(child)
            elif not (other and other in child.classes):
                parts.append(child.read_text(language))
        return " ".join(" ".join(parts).split())


class TreeBuilder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(path: Path) -> Element:
    builder = TreeBuilder()
    builder.feed(path.read_text(encoding="utf-8"))
    builder.close()
    assert builder.open == [builder.root], f"unclosed: {[e.tag for e in builder.open]}"
    return builder.root


def read_table(page: Element, name: str) -> list[list[Element]]:
    """The body cells of a table, row by row."""
    body = page.get_id(f"table-{name}").find_all("tbody")[0]
    return [row.find_all("td") for row in body.find_all("tr")]


def read_value(cell: Element) -> float | None:
    """The full number behind a displayed one; None where it is unknown."""
    value = cell.find_all("data")[0].attributes.get("value")
    return None if value is None else float(value)
