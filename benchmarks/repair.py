"""How well refused rows go back: clean files spoilt with a known list of errors, their workbooks corrected as told and delivered again.

    python -m benchmarks.repair WORLD [--out FIGURES.json] [--rows 60] [--files 4]

WORLD is a folder with `inbox/<source>/*.csv`, `manifest.csv` and optionally `seeds/` (the demonstration's first stage, or a world given to
`tanlian world`). Its deliveries are taken in order; the last of each source is cut into files, every second of them a workbook as
people make them, and about one row in ten is spoilt. What a person would do is done to the returned workbook: the proposed value where there is one, else the value from
the records (the truth).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import re
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.styles import Font

from expectations.gate import Gatekeeper
from ingest.contract import Column, Contract
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.repair.slips import NUMBERS, described_values, write_number
from warehouse.repair.workbook import make_workbook
from warehouse.settings import Settings, parse_instant

SPOILT_SHARE = 0.1
UNITS = {
    "t": "吨",
    "kg": "千克",
    "kWh": "千瓦时",
    "MWh": "兆瓦时",
    "m3": "立方米",
    "m2": "平方米",
    "GJ": "吉焦",
    "piece": "件",
    "km": "公里",
    "L": "升",
}
Row = dict[str, str]


@dataclass(frozen=True)
class Error:
    """One planted error: the row as it should be and as it is sent."""

    kind: str
    right: Row
    wrong: Row


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _numbers(contract: Contract, row: Row) -> list[Column]:
    return [column for column in contract.columns if column.type in NUMBERS and _number(row.get(column.name, "")) not in (None, Decimal(0))]


def _tied(contract: Contract, row: Row) -> list[str]:
    """Figures that a rule ties to others of the row."""
    tied = {name for rule in contract.rules if rule.kind == "predicate" and len(rule.columns) >= 3 for name in rule.columns}
    return [column.name for column in _numbers(contract, row) if column.name in tied and column.type != "integer"]


def slip_one(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    names = _tied(contract, row)
    if not names:
        return None
    name = pick.choice(names)
    return {name: write_number((Decimal(row[name]) * pick.choice([Decimal(1000), Decimal(1) / 1000])).normalize())}


def slip_all(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    rule = next((rule for rule in contract.rules if rule.kind == "peer_ratio"), None)
    if rule is None:
        return None
    (name,) = [name for name in rule.columns if contract.column(name).type in NUMBERS]
    unit = contract.column(name).unit
    names = [column.name for column in _numbers(contract, row) if column.name == name or (unit and column.unit == unit)]
    factor = Decimal(1000) if rule.parameters.get("side") == "upper" else pick.choice([Decimal(1000), Decimal(1) / 1000])
    return {each: write_number((Decimal(row[each]) * factor).normalize()) for each in names} if name in names else None


def percent(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    names = [column.name for column in _numbers(contract, row) if column.share and Decimal(row[column.name]) >= Decimal("0.05")]
    return {names[0]: write_number((Decimal(row[names[0]]) * 100).normalize())} if names else None


def unit_word(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    names = [column.name for column in contract.columns if column.name.endswith("unit") and row.get(column.name) in UNITS]
    return {names[0]: UNITS[row[names[0]]]} if names else None


def code_word(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    columns = [
        column for column in contract.columns if column.values and row.get(column.name) in column.values and column.name not in contract.key
    ]
    columns = [column for column in columns if not column.name.endswith("unit")]
    if not columns:
        return None
    column = pick.choice(columns)
    code = row[column.name]
    words = [word for word, meant in described_values(column).items() if meant == code]
    forms = [code.upper() if code.islower() else code.lower(), code.replace("_", "-") if "_" in code else f" {code.title()}", *words]
    return {column.name: pick.choice([form for form in forms if form.strip() != code] or [code])}


def code_typo(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    columns = [
        column
        for column in contract.columns
        if column.values and len(row.get(column.name, "")) >= 6 and row[column.name].replace("_", "").isalpha()
    ]
    if not columns:
        return None
    column = pick.choice(columns)
    code = row[column.name]
    place = pick.randrange(1, len(code) - 2)
    return {column.name: code[:place] + code[place + 1] + code[place] + code[place + 2 :]} if code[place] != code[place + 1] else None


def swap(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    for rule in contract.rules:
        days = [name for name in rule.columns if contract.column(name).type == "date" and row.get(name)]
        if rule.kind == "predicate" and len(days) == 2 and len(rule.columns) == 2 and row[days[0]] != row[days[1]]:
            return {days[0]: row[days[1]], days[1]: row[days[0]]}
    return None


def identifier_typo(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    names = [
        column.name
        for column in contract.columns
        if column.identifier and len(row.get(column.name, "")) == 18 and ":" not in row[column.name]
    ]
    if not names:
        return None
    name = pick.choice(names)
    code = row[name]
    place = pick.randrange(8, 17)
    if pick.random() < 0.5 and code[place] != code[place + 1]:
        return {name: code[:place] + code[place + 1] + code[place] + code[place + 2 :]}
    return {name: code[:place] + pick.choice([each for each in "0123456789" if each != code[place]]) + code[place + 1 :]}


def day_form(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    names = [
        column.name for column in contract.columns if column.type == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", row.get(column.name, ""))
    ]
    if not names:
        return None
    name = pick.choice(names)
    day = date.fromisoformat(row[name])
    return {name: pick.choice([f"{day:%d/%m/%Y}", f"{day:%Y.%m.%d}", f"{day:%Y-%d-%m}"])}


def number_form(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    columns = [column for column in _numbers(contract, row) if abs(Decimal(row[column.name])) >= 10_000 and column.type != "integer"]
    if not columns:
        return None
    name = pick.choice(columns).name
    number = Decimal(row[name])
    return {name: pick.choice([f"{number:,}".replace(",", " "), write_number((number / 10_000).normalize()) + "万"])}


def sign(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    columns = [column for column in _numbers(contract, row) if column.minimum == 0 and Decimal(row[column.name]) > 0]
    name = pick.choice(columns).name if columns else None
    return {name: "-" + row[name]} if name else None


def emptied(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    return {pick.choice([name for name in contract.required_names if row.get(name)]): ""}


def words_for_number(contract: Contract, row: Row, pick: random.Random) -> Row | None:
    columns = _numbers(contract, row)
    return {pick.choice(columns).name: "很多"} if columns else None


KINDS: dict[str, Callable[[Contract, Row, random.Random], Row | None]] = {
    maker.__name__: maker
    for maker in (
        slip_one, slip_all, percent, unit_word, code_word, code_typo, swap, identifier_typo, day_form, number_form, sign, emptied, words_for_number,
    )
}  # fmt: skip


def spoil(contract: Contract, rows: list[Row], pick: random.Random, used: Counter[str]) -> dict[int, Error]:
    """Errors by row number (from 1), the kinds that were planted least first."""
    errors: dict[int, Error] = {}
    for number in sorted(pick.sample(range(1, len(rows) + 1), max(1, int(len(rows) * SPOILT_SHARE)))):
        row = rows[number - 1]
        for kind in sorted(KINDS, key=lambda name: (used[name], pick.random())):
            changed = KINDS[kind](contract, row, pick)
            if changed and any(row[name] != text for name, text in changed.items()):
                errors[number] = Error(kind, row, {**row, **changed})
                used[kind] += 1
                break
    return errors


# Files as people send them


def write_csv(rows: list[Row], path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_xlsx(contract: Contract, rows: list[Row], path: Path) -> Path:
    """A workbook with typed cells, formats and a second sheet that says nothing."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "数据"
    sheet.append(list(rows[0]))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    kinds = {column.name: column.type for column in contract.columns}
    for row in rows:
        sheet.append([_cell(kinds.get(name, "text"), text) for name, text in row.items()])
    sheet.freeze_panes = "A2"
    book.save(path)
    return path


def _cell(kind: str, text: str) -> Any:
    if (
        kind in NUMBERS
        and len(text) < 15
        and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text)
        and repr(float(text)).removesuffix(".0") == text
    ):
        return float(text) if "." in text else int(text)
    if kind == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    return text or None


# What came back


def cells_of(data: bytes, sheet: str) -> dict[str, str]:
    """Every cell of a sheet as it is stored: address -> its XML less its style; shared texts by their own XML."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        workbook = archive.read("xl/workbook.xml").decode()
        relations = archive.read("xl/_rels/workbook.xml.rels").decode()
        found = next(item for item in re.findall(r"<sheet\b[^>]*>", workbook) if f'name="{sheet}"' in item)
        relation = re.search(r'r:id="([^"]+)"', found)
        assert relation is not None
        target = next(item for item in re.findall(r"<Relationship\b[^>]*>", relations) if f'Id="{relation[1]}"' in item)
        part = re.search(r'Target="/?([^"]+)"', target)
        assert part is not None
        name = part[1] if part[1].startswith("xl/") else f"xl/{part[1]}"
        xml = archive.read(name).decode()
    cells = re.findall(r'<c r="([A-Z]+\d+)"([^>]*?)(/>|>.*?</c>)', xml, re.DOTALL)
    return {place: re.sub(r'\s*\bs="\d+"', "", head) + body for place, head, body in cells}


def same_value(left: str, right: str) -> bool:
    one, other = _number(left), _number(right)
    return one == other if one is not None and other is not None else left.strip() == right.strip()


@dataclass
class Tally:
    """Figures of a run."""

    planted: Counter[str]
    refused: Counter[str]
    right: Counter[str]
    wrong: Counter[str]
    wrong_examples: list[dict[str, Any]]
    files: int = 0
    files_accepted: int = 0
    files_refused_again: list[dict[str, Any]] | None = None
    clean_files: int = 0
    clean_rows: int = 0
    false_alarms: int = 0
    cells: int = 0
    cells_changed: int = 0


class Course:
    """One world taken in order, its last files spoilt, repaired and delivered again."""

    def __init__(self, world: Path, data: Path, rows: int, files: int, seed: int) -> None:
        self.world, self.rows, self.files = world, rows, files
        seeds = world / "seeds"
        self.settings = Settings(data=data, reference=seeds if seeds.is_dir() else None, threads=2)
        data.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(self.settings.ledger)
        self.intake = Intake(self.settings, self.ledger, Gatekeeper(None))
        self.pick = random.Random(seed)
        self.used: Counter[str] = Counter()
        self.tally = Tally(Counter(), Counter(), Counter(), Counter(), [], files_refused_again=[])

    def take(self, path: Path, source: str, moment: datetime) -> dict[str, Any]:
        got = self.intake.receive(path, source, moment)
        return got if isinstance(got, dict) else self.intake.land_pending()[-1]

    def run(self) -> Tally:
        with (self.world / "manifest.csv").open(encoding="utf-8", newline="") as stream:
            entries = [entry for entry in csv.DictReader(stream) if entry["source"] in self.intake.contracts]
        last = {entry["source"]: place for place, entry in enumerate(entries)}
        moment = parse_instant(entries[0]["received_on"] + "T09:00:00")
        for place, entry in enumerate(entries):
            moment = max(moment + timedelta(seconds=1), parse_instant(entry["received_on"] + "T09:00:00"))
            path = self.world / "inbox" / entry["source"] / entry["file"]
            if last[entry["source"]] == place and int(entry["rows"]) > 20:
                moment = self.spoil_and_repair(entry["source"], path, moment)
                continue
            receipt = self.take(path, entry["source"], moment)
            self.tally.clean_files += 1
            self.tally.clean_rows += receipt["counts"]["received"]
            self.tally.false_alarms += receipt["counts"]["quarantined"] - receipt["counts"]["waiting"]
            self.tally.false_alarms += len(receipt.get("proposals", [])) + (receipt["verdict"] == "rejected")
        return self.tally

    def spoil_and_repair(self, source: str, path: Path, moment: datetime) -> datetime:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        contract = self.intake.contracts[source]
        for place in range(0, min(len(rows), self.rows * self.files), self.rows):
            part = rows[place : place + self.rows]
            if len(part) < 10:
                break
            moment += timedelta(seconds=10)
            self.one_file(contract, part, moment, as_workbook=(place // self.rows) % 2 == 1)
        return moment

    def one_file(self, contract: Contract, rows: list[Row], moment: datetime, as_workbook: bool) -> None:
        errors = spoil(contract, rows, self.pick, self.used)
        sent = [errors[number].wrong if number in errors else row for number, row in enumerate(rows, 1)]
        name = f"{contract.source}_{self.tally.files:04d}"
        folder = self.settings.data / "sent"
        folder.mkdir(exist_ok=True)
        path = write_xlsx(contract, sent, folder / f"{name}.xlsx") if as_workbook else write_csv(sent, folder / f"{name}.csv")
        receipt = self.take(path, contract.source, moment)
        if receipt["verdict"] in ("accepted", "waiting", "duplicate"):
            return  # nothing planted was an error that can be seen
        self.tally.files += 1
        delivery = self.ledger.delivery(receipt["sequence"])
        made = make_workbook(self.settings, self.ledger, self.intake.contracts, self.intake.reference, delivery, "zh")
        if as_workbook:
            before, after = cells_of(path.read_bytes(), "数据"), cells_of(made.data, contract.source)
            self.tally.cells += len(before)
            self.tally.cells_changed += sum(after.get(place) != cell for place, cell in before.items())
        proposed: dict[int, dict[str, str]] = defaultdict(dict)
        for finding in made.findings.found:
            if finding.proposal is not None:
                proposed[finding.row_number] |= finding.proposal.values
        broken = {finding.row_number for finding in made.findings.found if not finding.waits}
        self.weigh(contract, errors, proposed, broken)
        corrected = self.correct(contract, made.data, rows, errors, proposed, broken, folder / f"{name}_corrected.xlsx")
        again = self.take(corrected, contract.source, moment + timedelta(seconds=1))
        counts = again["counts"]
        if again["verdict"] != "rejected" and counts["quarantined"] == counts["waiting"]:
            self.tally.files_accepted += 1
        else:
            assert self.tally.files_refused_again is not None
            told = {"file": name, "faults": again["fault_counts"], "reasons": again["reasons"], "shown": again["faults"][:2]}
            self.tally.files_refused_again.append(told | {"kinds": sorted({error.kind for error in errors.values()})})

    def weigh(self, contract: Contract, errors: dict[int, Error], proposed: dict[int, dict[str, str]], broken: set[int]) -> None:
        for number, error in errors.items():
            self.tally.planted[error.kind] += 1
            if number not in broken:
                continue
            self.tally.refused[error.kind] += 1
            values = proposed.get(number)
            if not values:
                continue
            after = {**error.wrong, **values}
            if all(same_value(after[name], error.right[name]) for name in contract.names if name in error.right):
                self.tally.right[error.kind] += 1
            else:
                self.tally.wrong[error.kind] += 1
                planted = {name: (error.right[name], text) for name, text in error.wrong.items() if text != error.right[name]}
                self.tally.wrong_examples.append({"source": contract.source, "kind": error.kind, "planted": planted, "proposed": values})
        for number in set(proposed) - set(errors):
            self.tally.false_alarms += 1
            self.tally.wrong_examples.append({"source": contract.source, "kind": "sound row", "proposed": proposed[number]})

    def correct(
        self,
        contract: Contract,
        data: bytes,
        rows: list[Row],
        errors: dict[int, Error],
        proposed: dict[int, dict[str, str]],
        broken: set[int],
        out: Path,
    ) -> Path:
        """What a person does: take the proposed values, and look the others up."""
        book = openpyxl.load_workbook(io.BytesIO(data))
        sheet = book[contract.source]
        at = {str(cell.value): cell.column for cell in sheet[1]}
        for number in broken:
            values = proposed.get(number) or {name: text for name, text in rows[number - 1].items() if errors[number].wrong[name] != text}
            for name, text in values.items():
                cell = sheet.cell(number + 1, at[name])
                cell.value = text or None
                cell.number_format = "@"
        book.save(out)
        return out


def figures_of(tally: Tally) -> dict[str, Any]:
    refused, right, wrong = sum(tally.refused.values()), sum(tally.right.values()), sum(tally.wrong.values())
    kinds = {
        kind: {"planted": tally.planted[kind], "refused": tally.refused[kind], "right": tally.right[kind], "wrong": tally.wrong[kind]}
        for kind in sorted(tally.planted)
    }
    return {
        "errors_planted": sum(tally.planted.values()),
        "errors_refused": refused,
        "first_proposals": right + wrong,
        "first_proposals_right": right,
        "right_of_proposed_share": round(right / (right + wrong), 4) if right + wrong else None,
        "proposed_right_of_refused_share": round(right / refused, 4) if refused else None,
        "clean_files": tally.clean_files,
        "clean_rows": tally.clean_rows,
        "false_alarms": tally.false_alarms,
        "untouched_cells": tally.cells,
        "untouched_cells_changed": tally.cells_changed,
        "files_spoilt": tally.files,
        "files_accepted_after_correction": tally.files_accepted,
        "accepted_share": round(tally.files_accepted / tally.files, 4) if tally.files else None,
        "kinds": kinds,
        "wrong_examples": tally.wrong_examples[:20],
        "refused_again": (tally.files_refused_again or [])[:20],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = figures_of(Course(given.world, Path(folder) / "data", given.rows, given.files, given.seed).run())
    text = json.dumps(figures, ensure_ascii=False, indent=1, default=str)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
