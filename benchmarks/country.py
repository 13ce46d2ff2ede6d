"""A country of any size as a world's folder: every source, set by set, from `country.sql`.

python -m benchmarks.country OUT --size ENTERPRISES,DISCLOSURES,LINES,TRADES
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingest.reference import ReferenceLists

SQL = Path(__file__).with_name("country.sql")
LISTS = {"catalogue": "product_catalogue", "activity": "activity", "province": "province", "trading_day": "trading_day"}
# In the order of receipt: what others refer to comes first.
SOURCES = (
    "enterprise", "emission_factor", "product_footprint", "footprint_activity", "market_quote", "market_trade", "ets_facility_year",
    "ets_surrender", "ccer_project", "ccer_issuance", "ccer_cancellation", "green_certificate", "eia_project", "loan", "label_certificate",
    "pcf_standard", "policy_task",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much of everything; `lines` is per disclosure, `supplier_share` of the lines name a supplier, in a ring where `is_looped`."""

    enterprises: int = 100
    disclosures: int = 400
    lines: int = 10
    trades: int = 1000
    products: int = 12
    supplier_share: float = 0.2
    is_looped: bool = False
    last_year: int = 2025


def make_country(size: Size, out: Path, sources: tuple[str, ...] = SOURCES, file_format: str = "parquet") -> Path:
    """Write `out/inbox/<source>/country.<file_format>` (parquet or csv), `manifest.csv` and the clock in `truth.json`; the same size gives the same rows.

    A source without rows is left out: a file without data rows is no delivery.
    """
    (out / "inbox").mkdir(parents=True)
    lists = ReferenceLists().files
    with duckdb.connect() as con:
        for name, seed in LISTS.items():
            con.execute(f"create table {name} as select * from read_csv(?, header = true, types = {{'trade_date': 'date'}})" if name == "trading_day"
                        else f"create table {name} as select * from read_csv(?, header = true, all_varchar = true)", [str(lists[seed])])  # fmt: skip
        names = ", ".join(size.__dict__)
        con.execute(
            f"create table size as select * from (values ({', '.join('?' * len(size.__dict__))})) as s ({names})",
            list(size.__dict__.values()),
        )
        con.execute(SQL.read_text(encoding="utf-8"))
        entries = [entry for source in sources if (entry := _write_source(con, source, out, file_format)) is not None]
    with (out / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sequence", "received_on", "source", "file", "rows"])
        received = f"{size.last_year + 1}-04-15"
        writer.writerows([number, received, source, file, rows] for number, (source, file, rows) in enumerate(entries, start=1))
    (out / "truth.json").write_text(json.dumps({"as_of": f"{size.last_year + 1}-06-30T23:59:59+08:00"}), encoding="utf-8")
    return out


def _write_source(con: duckdb.DuckDBPyConnection, source: str, out: Path, file_format: str) -> tuple[str, str, int] | None:
    rows = (con.execute(f"select count(*) from {source}").fetchone() or (0,))[0]
    if not rows:
        return None
    columns = {name for (name,) in con.execute(f"select column_name from duckdb_columns() where table_name = '{source}'").fetchall()}
    kept = "* exclude (product_number, number)" if {"product_number", "number"} <= columns else "*"
    folder = out / "inbox" / source
    folder.mkdir(parents=True)
    name = f"country.{file_format}"
    con.execute(f"copy (select {kept} from {source}) to '{folder / name}' (format {file_format})")
    return source, name, int(rows)


def read_size(text: str) -> Size:
    """A size from `enterprises,disclosures,lines,trades`, lines per disclosure.

    Raises:
        ValueError: not four whole numbers from 1 on.
    """
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if len(words) != 4 or not all(word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(text)
    enterprises, disclosures, lines, trades = (int(word) for word in words)
    return Size(enterprises, disclosures, lines, trades)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.country", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=read_size, default=Size(), help="enterprises,disclosures,lines,trades; lines per disclosure")
    chosen = parser.parse_args()
    print(make_country(chosen.size, chosen.out))


if __name__ == "__main__":
    main()
