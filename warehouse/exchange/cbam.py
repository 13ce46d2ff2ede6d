"""The gap list of an exporter: what a declarant in the EU would ask of each product, what of it is held, and what is missing, honestly.

Which product is a CBAM good is not decided here: the headings of annex I are recalled, not read, and are shown as such (`cbam_good`). The
list therefore stands for every cradle-to-gate disclosure of the latest two years, enterprise by enterprise.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import xlsxwriter
import yaml

from dashboards.reports.figures import head_column, write_figure
from dashboards.reports.report_workbook import FONT
from dashboards.reports.wording import say
from warehouse.exchange.files import Source, need

RULES = Path(__file__).with_name("cbam.yaml")
GOODS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "policy" / "trade" / "cbam_good.csv"
PRODUCTS, COSTS, POSITIONS = "footprint__products", "ets__product_costs_by_year", "ets__positions_by_year"
_KEY = ("enterprise_id", "product_code", "product_name_zh", "product_name_en", "reporting_year", "disclosure_id", "declared_unit")


def read_requirements(path: Path = RULES) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def read_headings(path: Path = GOODS) -> dict[str, str]:
    """Product -> the chapter or heading of annex I under which it stands, as recalled."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["product_code"]: row["cn_heading"] for row in csv.DictReader(stream)}


def list_gaps(source: Source) -> list[dict[str, Any]]:
    """One row per disclosure and requirement: `state` is held, recalled, missing or unknown, `value` what is held."""
    need(source, PRODUCTS, COSTS, POSITIONS)
    requirements = read_requirements()["requirements"]
    columns = ", ".join(
        f"{item['held'] or 'null'} as held_{item['code']}, {item['value'] or 'null'} as value_{item['code']}" for item in requirements
    )
    rows = source.read(
        f"""
        select {", ".join(f"p.{name}" for name in _KEY)}, {columns}
        from marts.{PRODUCTS} as p
        left join marts.{COSTS} as c on c.disclosure_id = p.disclosure_id
        left join (
            select enterprise_id, compliance_year, sum(allocated_t_co2e) / nullif(sum(verified_t_co2e), 0) as allocation_share
            from marts.{POSITIONS} group by all
        ) as o on o.enterprise_id = p.enterprise_id and o.compliance_year = p.reporting_year
        where p.boundary = 'cradle_to_gate' and p.reporting_year >= (select max(reporting_year) from marts.{PRODUCTS}) - 1
        order by p.enterprise_id, p.product_code, p.reporting_year, p.disclosure_id
        """
    )
    headings = read_headings()
    found = []
    for row in rows:
        for item in requirements:
            if item["code"] == "goods_code" and row["product_code"] in headings:
                recalled = {"requirement": item["code"], "state": "recalled", "value": headings[row["product_code"]]}
                found.append({name: row[name] for name in _KEY} | recalled)
                continue
            held = row[f"held_{item['code']}"]
            # What a sender could still state is missing; what no source of this warehouse takes is unknown to it altogether.
            state = "held" if held else "missing" if item["held"] is not None and held is not None else "unknown"
            value = row[f"value_{item['code']}"] if held else None
            found.append({name: row[name] for name in _KEY} | {"requirement": item["code"], "state": state, "value": value})
    return found


def write_gap_list(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    """A workbook: the requirements with their grounds, and one line per disclosure and requirement."""
    requirements = read_requirements()
    by_code = {item["code"]: item for item in requirements["requirements"]}
    path = out / f"cbam_gaps_{lang}.xlsx"
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True, "font_name": FONT, "font_size": 10, "bottom": 1})
        plain = book.add_format({"font_name": FONT, "font_size": 10, "num_format": "@"})
        sheet = book.add_worksheet(say("cbam_requirements")[lang])
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, 1, 70)
        sheet.write_string(0, 0, f"{requirements['citation']} ({say('confidence_' + requirements['confidence'])[lang]})", plain)
        sheet.write_string(1, 0, say("cbam_note")[lang], plain)
        for place, item in enumerate(by_code.values(), 3):
            sheet.write_string(place, 0, item["title"][lang], bold)
            sheet.write_string(place, 1, item["why"][lang], plain)
        sheet = book.add_worksheet(say("cbam_gaps")[lang])
        sheet.freeze_panes(1, 0)
        heads = [head_column(name)[lang] for name in _KEY] + [
            say(f"cbam_{name}")[lang] for name in ("requirement", "state", "value", "why")
        ]
        for place, head in enumerate(heads):
            sheet.set_column(place, place, 22)
            sheet.write_string(0, place, head, bold)
        for number, row in enumerate(list_gaps(source), 1):
            item = by_code[row["requirement"]]
            cells = [str(row[name] if row[name] is not None else "") for name in _KEY]
            value = write_figure("cost_cny" if row["requirement"] == "carbon_price" else _column(item), row["value"])
            why = "" if row["state"] == "held" else item["recalled" if row["state"] == "recalled" else "why"][lang]
            for place, text in enumerate([*cells, item["title"][lang], say(f"cbam_{row['state']}")[lang], value, why]):
                sheet.write_string(number, place, text, plain)
    return [path]


def _column(item: dict[str, Any]) -> str:
    """The column whose unit the value has."""
    return str(item["value"] or "").partition(".")[2] or item["code"]
