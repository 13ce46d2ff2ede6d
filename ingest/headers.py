"""Which column of the contract a header names: the column's own name, or an alias in either language and either script."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

from opencc import OpenCC

from ingest.contract import Contract, Message
from ingest.faults import FileRefused


@dataclass(frozen=True)
class Headers:
    """`columns`: contract column -> position in the file; `unknown`: position -> header kept beside the row; `folded`: headers that were folded, by kind."""

    columns: dict[str, int]
    unknown: dict[int, str]
    folded: dict[str, int]


@cache
def _to_simplified() -> OpenCC:
    return OpenCC("t2s")


def fold_header(header: str) -> str:
    """A header without outer space, full-width forms and case."""
    return unicodedata.normalize("NFKC", header).strip().strip("\ufeff\u200b").casefold()


def simplify_header(header: str) -> str:
    """A folded header in Simplified script."""
    simplified: str = _to_simplified().convert(header)
    return simplified


def _names(contract: Contract) -> dict[str, str]:
    names = {}
    for column in contract.columns:
        for alias in (column.name, *column.aliases):
            names[fold_header(alias)] = column.name
    return names


def has_own_form(contract: Contract, headers: list[str]) -> bool:
    """Whether every column that a source requires is named by a header."""
    names = _names(contract)
    folded = [fold_header(header) for header in headers]
    found = {names.get(key) or names.get(simplify_header(key)) for key in folded}
    return set(contract.required_names) <= found


def match_headers(contract: Contract, headers: list[str]) -> Headers:
    """Match a file's headers to the contract's columns.

    Raises:
        FileRefused: `header_repeated` where two headers are the same or name the same column, `column_missing` where a required column is absent.
    """
    names = _names(contract)
    columns: dict[str, int] = {}
    unknown: dict[int, str] = {}
    folded = {"traditional_header": 0, "header_form": 0}
    seen: dict[str, str] = {}
    for position, header in enumerate(headers):
        key = fold_header(header)
        if key and key in seen:
            raise header_repeated(header)
        seen[key] = header
        column = names.get(key)
        if column is None:
            simplified = simplify_header(key)
            column = names.get(simplified)
            if column is not None:
                folded["traditional_header"] += 1
        elif header != column and header not in contract.column(column).aliases:
            folded["header_form"] += 1
        if column is None:
            unknown[position] = header or f"column_{position + 1}"
        elif column in columns:
            raise header_repeated(header)
        else:
            columns[column] = position
    missing = [name for name in contract.required_names if name not in columns]
    if missing:
        titles = "、".join(contract.column(name).title.zh for name in missing)
        raise FileRefused(
            "column_missing",
            Message(
                f"缺少必需的列：{titles}（{', '.join(missing)}）。补上这些列后重报。",
                f"Required columns are missing: {', '.join(missing)}. Add them and deliver again.",
            ),
        )
    return Headers(columns, unknown, {kind: count for kind, count in folded.items() if count})


def header_repeated(header: str) -> FileRefused:
    shown = header.strip()[:60]
    return FileRefused(
        "header_repeated",
        Message(
            f"表头重复：“{shown}” 出现了两次或与另一列同义。只保留一列后重报。",
            f"A header is repeated: “{shown}” stands twice or names the same column as another. Keep one and deliver again.",
        ),
    )
