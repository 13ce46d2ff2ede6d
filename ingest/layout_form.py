"""Layouts: declared mappings from one publisher's file to a contract's columns. Data, not code: one YAML per layout.

A layout names the headers by which it is recognised, which rows are data and which are not (`not_data`, each kind named and counted),
wide columns to be turned into rows (`unpivot`), the tables of a publication in several files (`tables`, `from`), intermediate expressions
(`let`), and one or more `records` per row, each giving the contract's columns as text from a header, a constant, a map or a SQL
expression over the file's cells. Every cell then goes through the same folding, typing and rules as any delivery, and what a layout maps
stays beside the row as it was (`_extra`). A layout may also `refuse`: a publication met in practice that is no record of this kind, in
one sentence that says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ingest.contract import Contract, Message
from ingest.faults import FileRefused
from ingest.headers import fold_header, has_own_form, header_repeated, simplify_header
from ingest.readers import RawTable
from ingest.readers.bundle import TABLE_COLUMN

_KEYS = {
    "layout", "source", "version", "title", "publisher", "citation", "notes", "match", "tables", "from", "unpivot",
    "not_data", "tolerance", "let", "constants", "records", "maps", "refuse", "absent", "macros",
}  # fmt: skip
_MATCH_KEYS = {"headers", "any", "needs", "optional", "exact"}
_TABLE_KEYS = {"file", "headers", "optional", "unpivot", "key", "joined"}


class LayoutError(ValueError):
    """A layout that does not fit its contract; names the file."""


@dataclass(frozen=True)
class Unpivot:
    """Columns whose header matches a pattern become rows: the header goes to `name`, the cell to `value`."""

    headers: str
    name: str
    value: str

    def matching(self, headers: list[str]) -> list[str]:
        return [header for header in headers if re.fullmatch(self.headers, fold_header(header))]


@dataclass(frozen=True)
class Form:
    """The columns one table of a publication has: `spellings` by canonical name; absent `optional` ones read as empty."""

    headers: tuple[str, ...]
    spellings: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    exact: bool = False
    unpivot: Unpivot | None = None

    def places(self, headers: list[str]) -> dict[str, int]:
        """Canonical name -> position in a file, for the names that are there."""
        at = {plain_header(header): position for position, header in reversed(list(enumerate(headers)))}
        found = {}
        for name, spellings in self.spellings.items():
            position = next((at[plain_header(spelling)] for spelling in spellings if plain_header(spelling) in at), None)
            if position is not None:
                found[name] = position
        return found

    def fits(self, headers: list[str]) -> bool:
        places = self.places(headers)
        if not set(self.headers) <= set(places):
            return False
        if self.exact and len([header for header in headers if header.strip()]) != len(self.headers):
            return False
        return self.unpivot is None or bool(self.unpivot.matching(headers))


@dataclass(frozen=True)
class TableForm:
    """One table of a publication in several files: told from the others by its file's name and its headers."""

    name: str
    file: str
    form: Form
    key: tuple[str, ...]
    joined: bool  # looked up by the others' rows, gives no records of its own


@dataclass(frozen=True)
class NotData:
    """Rows that a publication holds and that say nothing of this source: counted under a name, with the reason."""

    kind: str
    when: str
    reason: Message


@dataclass(frozen=True)
class Tolerance:
    """A share of bad rows of its own, where a publication's scope is wider than the source's."""

    share: float
    reason: Message


@dataclass(frozen=True)
class Layout:
    """A read layout; `forms` are the sets of headers that recognise it (one, unless it refuses)."""

    name: str
    source: str
    title: Message
    forms: tuple[Form, ...]
    tables: tuple[TableForm, ...] = ()
    relation: str = "file_cells"
    not_data: tuple[NotData, ...] = ()
    tolerance: Tolerance | None = None
    macros: Mapping[str, str] = field(default_factory=dict)  # `name(cell)`: what several expressions do alike
    let: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    records: tuple[dict[str, Any], ...] = ()
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    absent: Mapping[str, Message] = field(default_factory=dict)  # columns that the publication does not hold
    refusal: Message | None = None

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that recognises it, for the readable page."""
        forms = [table.form for table in self.tables] or list(self.forms)
        return tuple(dict.fromkeys(header for form in forms for header in form.headers))

    def recognises(self, raw: RawTable) -> bool:
        """Whether a file is this publication: by headers, whatever their order and whatever else stands there."""
        if not self.tables:
            return TABLE_COLUMN not in raw.headers and any(form.fits(raw.headers) for form in self.forms)
        return TABLE_COLUMN in raw.headers and all(table.form.fits(raw.headers) and file_names(raw, table) for table in self.tables)


def plain_header(header: str) -> str:
    """A header as layouts compare it: folded and in Simplified script."""
    return simplify_header(fold_header(header))


def file_names(raw: RawTable, table: TableForm) -> list[str]:
    """The files of a bundle that hold one table."""
    names = raw.columns[raw.headers.index(TABLE_COLUMN)].unique().to_pylist()
    return [name for name in names if re.search(table.file, name.casefold())]


def _spellings(items: list[Any]) -> dict[str, tuple[str, ...]]:
    """Header items: a name, or a list of spellings whose first is the name used in expressions."""
    return {(item if isinstance(item, str) else item[0]): ((item,) if isinstance(item, str) else tuple(item)) for item in items}


def _unpivot(body: dict[str, str] | None) -> Unpivot | None:
    return Unpivot(**body) if body else None


def _form(headers: list[Any], body: dict[str, Any], unpivot: dict[str, str] | None) -> Form:
    named = _spellings(headers)
    needs, optional = _spellings(body.get("needs", [])), _spellings(body.get("optional", []))
    return Form(tuple(named), named | needs | optional, tuple(needs), tuple(optional), bool(body.get("exact", False)), _unpivot(unpivot))


def _tables(document: dict[str, Any], where: str) -> tuple[TableForm, ...]:
    tables = []
    for name, body in document.get("tables", {}).items():
        if set(body) - _TABLE_KEYS:
            raise LayoutError(f"{where}: table {name}: unknown keys {sorted(set(body) - _TABLE_KEYS)}")
        form = _form(body["headers"], {"optional": body.get("optional", [])}, body.get("unpivot"))
        tables.append(TableForm(name, body["file"], form, tuple(body.get("key", ())), bool(body.get("joined", False))))
    return tuple(tables)


def _check(document: dict[str, Any], path: Path) -> None:
    unknown = set(document) - _KEYS | set(document.get("match", {})) - _MATCH_KEYS
    if unknown or document.get("layout") != path.stem:
        raise LayoutError(f"{path.name}: unknown keys {sorted(unknown)}, or a name that is not the file's")
    if ("refuse" in document) == ("records" in document):
        raise LayoutError(f"{path.name}: a layout either maps records or refuses")
    if "records" in document and document["records"][0].get("when"):
        raise LayoutError(f"{path.name}: the first record of a row is unconditional, so that no row can vanish")
    if "tables" in document and "from" not in document:
        raise LayoutError(f"{path.name}: several tables need `from`, which says how their rows meet")


@cache
def read_layout(path: Path) -> Layout:
    """Read one layout file; unknown keys are refused."""
    document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    _check(document, path)
    match = document.get("match", {})
    sets = match.get("any", [match["headers"]] if "headers" in match else [])
    tolerance = document.get("tolerance")
    return Layout(
        name=document["layout"],
        source=document["source"],
        title=Message(**document["title"]),
        forms=tuple(_form(headers, match, document.get("unpivot")) for headers in sets),
        tables=_tables(document, path.name),
        relation=document.get("from", "file_cells"),
        not_data=tuple(NotData(item["kind"], item["when"], Message(item["zh"], item["en"])) for item in document.get("not_data", [])),
        tolerance=Tolerance(float(tolerance["share"]), Message(tolerance["zh"], tolerance["en"])) if tolerance else None,
        macros=document.get("macros", {}),
        let=document.get("let", {}),
        constants={name: str(value) for name, value in document.get("constants", {}).items()},
        records=tuple(document.get("records", ())),
        maps={name: {str(key): str(value) for key, value in pairs.items()} for name, pairs in document.get("maps", {}).items()},
        absent={name: Message(**reason) for name, reason in document.get("absent", {}).items()},
        refusal=Message(**document["refuse"]) if "refuse" in document else None,
    )


def layouts_of(contract: Contract) -> dict[str, Layout]:
    """The layouts of a source, by name."""
    return {path.stem: read_layout(path) for path in contract.layouts}


def choose_layout(contract: Contract, raw: RawTable, name: str | None) -> Layout | None:
    """The layout named, else the one that recognises the file, else None: the contract's own form.

    Raises:
        FileRefused: `layout_unknown` where the name is none of the source's or several layouts fit, `layout_refused` where the one that
            fits says that such a file is no record of this source, `column_missing` where the file lacks what the layout needs.
    """
    known = layouts_of(contract)
    if name is None:
        # A file with all of the contract's own columns is in the contract's form, whatever else its headers resemble.
        found = [] if has_own_form(contract, raw.headers) else [layout for layout in known.values() if layout.recognises(raw)]
        if len(found) > 1:
            names = ", ".join(layout.name for layout in found)
            raise FileRefused(
                "layout_unknown",
                Message(f"多个布局都符合（{names}），请用 --layout 指明。", f"Several layouts fit ({names}): name one with --layout."),
            )
        if not found:
            return None
        layout = found[0]
    elif name in known:
        layout = known[name]
    else:
        listed = ", ".join(sorted(known)) or "-"
        raise FileRefused(
            "layout_unknown", Message(f"没有名为 {name} 的布局（已有：{listed}）。", f"There is no layout {name} (known: {listed}).")
        )
    if layout.refusal is not None:
        raise FileRefused("layout_refused", layout.refusal)
    _require_columns(layout, raw)
    return layout


def _refuse_repeated(form: Form, headers: list[str]) -> None:
    """Two headers that read as one name the layout uses: which is meant is unknown."""
    counted = Counter(plain_header(header) for header in headers)
    wanted = {plain_header(spelling) for spellings in form.spellings.values() for spelling in spellings}
    repeated = [header for header in headers if counted[plain_header(header)] > 1 and plain_header(header) in wanted]
    if repeated:
        raise header_repeated(repeated[0])


def _require_columns(layout: Layout, raw: RawTable) -> None:
    """A layout that was named, or recognised by some of its headers, needs all of them before a cell is read."""
    if layout.tables and TABLE_COLUMN in raw.headers:
        missing = [table.name for table in layout.tables if not (table.form.fits(raw.headers) and file_names(raw, table))]
    elif layout.tables:
        missing = [table.name for table in layout.tables]
    else:
        form = layout.forms[0]
        _refuse_repeated(form, raw.headers)
        places = form.places(raw.headers)
        missing = [header for header in (*form.headers, *form.needs) if header not in places]
        if form.unpivot and not form.unpivot.matching(raw.headers):
            missing.append(form.unpivot.headers)
    if missing:
        raise FileRefused(
            "column_missing",
            Message(
                f"布局 {layout.name} 所需的列或表缺少：{'、'.join(missing)}。补上后重报。",
                f"Columns or tables that the layout {layout.name} needs are missing: {', '.join(missing)}. Add them and deliver again.",
            ),
        )
