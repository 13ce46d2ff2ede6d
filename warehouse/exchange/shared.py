"""The footprints that may be shared, as PACT documents, and what is missing for the others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from warehouse.exchange.files import Source, need
from warehouse.exchange.pact import SOURCE, read_shared
from warehouse.exchange.tables import guard_text

_GAPS = ("certificate_no", "disclosure_id", "enterprise_id", "enterprise_name", "product_code", "missing_exchange_facts")


def write_shared_footprints(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    """`pact_3.json` and `pact_2.json` as the exchange's list (`{"data": […]}`), and `pact_gaps.csv`: labelled footprints that nobody has
    stated as PACT, each with the required fields that are not known.
    """
    need(source, SOURCE)
    written = []
    for version in (3, 2):
        path = out / f"pact_{version}.json"
        path.write_text(json.dumps({"data": read_shared(source.read, version)}, ensure_ascii=False, indent=1), encoding="utf-8")
        written.append(path)
    rows = source.read(
        f"select {', '.join(_GAPS)} from marts.{SOURCE} where is_label_valid and missing_exchange_facts is not null order by all"
    )
    gaps = out / "pact_gaps.csv"
    with gaps.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_GAPS)
        writer.writerows([guard_text(str(row[name] or "")) for name in _GAPS] for row in rows)
    return [*written, gaps]
