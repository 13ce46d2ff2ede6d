"""From the cells of all tables to their published reasons, and what has been public before (methods.md M4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from warehouse.disclosure.releases import COUNTRY, UNPLACED, Version
from warehouse.disclosure.suppression import choose_suppressed
from warehouse.disclosure.table import Cells, Numbers, Rule, Table, find_primary, join_reasons

KEY = ("product_code", "boundary", "gwp_set", "reporting_year")
TOTALS = pa.schema(
    [
        *[(name, pa.string()) for name in KEY[:3]],
        ("reporting_year", pa.int32()),
        ("version", pa.string()),
        ("province_code", pa.string()),
        ("total_t_co2e", pa.float64()),
        ("is_published", pa.bool_()),
        ("is_protected", pa.bool_()),
    ]
)
REASONS = pa.schema([*TOTALS, ("suppression_reason", pa.string()), ("choice", pa.string()), ("lost_count", pa.int64())])


def _split(rows: pa.Table, key: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The rows of each key, as columns, in the order of keys and provinces."""
    ordered = rows.sort_by([(name, "ascending") for name in (*key, "province_code")])
    columns = {name: ordered[name].to_numpy(zero_copy_only=False) for name in ordered.column_names}
    keys = list(zip(*(columns[name] for name in key), strict=True))
    starts = [place for place in range(len(keys)) if place == 0 or keys[place] != keys[place - 1]]
    for start, end in pairwise([*starts, len(keys)]):
        yield keys[start], {name: column[start:end] for name, column in columns.items()}


def _read_versions(earlier: pa.Table) -> dict[tuple[Any, ...], list[Version]]:
    found: dict[tuple[Any, ...], list[Version]] = {}
    for key, part in _split(earlier, (*KEY, "version")):
        version = Version(
            tuple(part["province_code"]),
            part["total_t_co2e"].astype(np.float64),
            part["is_published"].astype(np.bool_),
            part["is_protected"].astype(np.bool_),
        )
        found.setdefault(key[:-1], []).append(version)
    return found


def _name_version(codes: list[str], totals: Numbers, published: list[bool]) -> str:
    """A name that follows from the content, so that the same table published again is no other version."""
    content = "\n".join(f"{code} {float(total)!r} {shown}" for code, total, shown in zip(codes, totals, published, strict=True))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def suppress_cells(cells: pa.Table, earlier: pa.Table, seconds: float) -> pa.Table:
    """The reason of each cell, with its true total and whether it is shown; `unplaced` rows stand for what has no cell.

    Args:
        cells: per cell the key, `enterprise_count`, `total_t_co2e`, `largest_t_co2e`, `second_t_co2e`, and the thresholds in force.
        earlier: what was public before (`TOTALS`).
        seconds: time for one table.
    """
    versions = _read_versions(earlier)
    made = [pa.table({name: pa.array(values, REASONS.field(name).type) for name, values in part.items()}, REASONS)
            for part in (_suppress_table(key, part, versions.get(key, []), seconds) for key, part in _split(cells, KEY))]  # fmt: skip
    return pa.concat_tables(made) if made else REASONS.empty_table()


def _suppress_table(key: tuple[Any, ...], part: dict[str, Any], earlier: list[Version], seconds: float) -> dict[str, Any]:
    rule = Rule(int(part["minimum_enterprise_count"][0]), float(part["p_share"][0]), float(part["protection_share"][0]))
    codes = part["province_code"]
    totals = np.nan_to_num(part["total_t_co2e"].astype(np.float64))
    reasons = find_primary(
        Cells(part["enterprise_count"].astype(np.int64), totals, part["largest_t_co2e"].astype(np.float64), part["second_t_co2e"].astype(np.float64)),
        rule,
    )  # fmt: skip
    is_primary = np.array([reason is not None for reason in reasons])
    country, unplaced = codes == COUNTRY, codes == UNPLACED
    inside = ~country & ~unplaced
    table = Table(
        provinces=tuple(codes[inside]),
        totals=totals[inside],
        is_primary=is_primary[inside],
        country=float(totals[country][0]),
        is_country_primary=bool(is_primary[country][0]),
        unplaced=float(totals[unplaced].sum()),
        is_unplaced_unsafe=bool(is_primary[unplaced].any()),
    )
    choice = choose_suppressed(table, rule, earlier, seconds)
    suppressed = np.zeros(len(codes), dtype=np.bool_)
    suppressed[inside], suppressed[country] = choice.suppressed[:-1], choice.suppressed[-1]
    published = [bool(shown) for shown in ~suppressed & ~unplaced]
    return dict(zip(KEY, ([value] * len(codes) for value in key), strict=True)) | {
        "version": [_name_version(list(codes), totals, published)] * len(codes),
        "province_code": codes,
        "total_t_co2e": totals,
        "is_published": published,
        "is_protected": suppressed | (unplaced & is_primary),
        "suppression_reason": [
            None if hidden else reason for hidden, reason in zip(unplaced, join_reasons(reasons, suppressed), strict=True)
        ],
        "choice": [choice.how] * len(codes),
        "lost_count": [choice.lost_count] * len(codes),
    }
