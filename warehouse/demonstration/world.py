"""The demonstration world on disk: a first stage, a second one that changes it, and files that must be refused."""

import json
import logging
import math
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from warehouse.demonstration import faults as spoil
from warehouse.demonstration.enterprises import make_enterprises, restate_enterprises
from warehouse.demonstration.facts import YEARS, Facts, load_facts
from warehouse.demonstration.factors import COLUMNS as FACTOR_COLUMNS
from warehouse.demonstration.factors import make_factors
from warehouse.demonstration.files import Fault, Row, Stage, count_padding, fold_cells, mix_faults, read_as_text, write_rows, write_table
from warehouse.demonstration.footprints import Disclosures, Lines, choose_suppliers, cut_frame, drop_lines
from warehouse.demonstration.footprints import make_disclosures, make_frame, make_lines, revise, sum_stages
from warehouse.demonstration.quotes import make_quotes
from warehouse.demonstration.readme import write_readme
from warehouse.demonstration.tables import write_footprints, write_lines

AS_OF = "2026-10-31T23:59:59+08:00"
BAD_SHARE = 0.14
MINIMUM_ENTERPRISES = 60
LINES_PER_ENTERPRISE_AT_LEAST = 15
SOURCES = ("enterprise", "emission_factor", "product_footprint", "footprint_activity", "market_quote")
CHINESE_ENTERPRISE_HEADER = ["统一社会信用代码", "企业名称", "省份代码", "行业代码"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """Where the world lies and what it holds: `first`, `second` and `refused` are folders of the shape inbox/ + manifest.csv."""

    folder: Path
    first: Path
    second: Path
    refused: Path
    truth: Path
    enterprise_count: int
    disclosure_count: int
    line_count: int


@dataclass
class Truth:
    """What a right pipeline finds, counted while the files are written."""

    stages: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    identical: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: list[dict[str, str]] = field(default_factory=list)
    normalised: list[dict[str, Any]] = field(default_factory=list)

    def count(self, stage: str, source: str, **counts: int) -> None:
        """Add accepted, duplicate, quarantined and waiting rows; received is their sum."""
        empty = {"received": 0, "accepted": 0, "duplicate": 0, "quarantined": 0, "waiting": 0}
        totals = self.stages.setdefault(stage, {}).setdefault(source, empty)
        for name, value in counts.items():
            totals[name] += value
        totals["received"] += sum(counts.values())

    def list_faults(self, source: str, file: str, rules: dict[int, str]) -> None:
        for row_number, rule in sorted(rules.items()):
            entry = {"stage": "second", "source": source, "file": file, "row_number": row_number}
            self.rows.append(entry | {"verdict": "quarantined", "rule": f"{source}.{rule}"})

    def sum_sources(self) -> dict[str, dict[str, int]]:
        """Both stages together, when every waiting line has landed."""
        totals = {}
        for source in SOURCES:
            parts = [self.stages[stage].get(source, {}) for stage in ("first", "second")]
            merged = {
                name: sum(part.get(name, 0) for part in parts) for name in ("received", "accepted", "duplicate", "quarantined", "waiting")
            }
            merged["accepted"] += merged.pop("waiting")
            totals[source] = merged
        return totals


@dataclass(frozen=True)
class Country:
    """Everything drawn once, before it is split into deliveries."""

    facts: Facts
    seed: int
    enterprises: pa.Table
    base: Disclosures
    lines: Lines

    @property
    def provinces(self) -> np.ndarray:
        return np.array(self.enterprises["province_code"].to_pylist())

    def show_footprints(self, disclosures: Disclosures) -> pa.Table:
        return write_footprints(self.facts, self.enterprises["enterprise_id"].combine_chunks(), disclosures)

    def show_lines(self, lines: Lines, revision: int) -> pa.Table:
        return write_lines(self.facts, self.provinces, self.base, lines, np.full(len(lines), revision))


@dataclass(frozen=True)
class Split:
    """Positions of the disclosures that arrive out of the ordinary."""

    late: np.ndarray  # of the newest year, first seen in the second stage
    revised_early: np.ndarray  # revision 2 already in the first stage
    withheld: np.ndarray  # of those, revision 1 arrives after revision 2
    revised_late: np.ndarray  # revision 2 in the second stage


def make_world(out: Path, enterprises: int = 400, seed: int = 20240522, lines: int | None = None, file_format: str = "csv") -> World:
    """Write the world below `out` (its own folders there are replaced) and say what it holds.

    `lines`: about so many activity lines in the first stage, with as many enterprises as that takes (`enterprises` is then ignored).
    `file_format`: csv or parquet, of the first stage; faults need text, so the second stage is always CSV.
    The same arguments give the same bytes. Raises ValueError for too few enterprises or an unknown format.
    """
    if file_format not in ("csv", "parquet"):
        raise ValueError(f"file_format must be csv or parquet, found {file_format}")
    if lines is None and enterprises < MINIMUM_ENTERPRISES:
        raise ValueError(f"a demonstration needs at least {MINIMUM_ENTERPRISES} enterprises, found {enterprises}")
    country = draw_country(enterprises, seed, lines)
    stages = {name: Stage(out / name) for name in ("first", "second", "refused")}
    for stage in stages.values():
        shutil.rmtree(stage.folder, ignore_errors=True)
        stage.folder.mkdir(parents=True)
    truth = Truth()
    rng = np.random.default_rng([seed, 2])
    split = split_disclosures(country, rng)
    write_first(country, split, stages["first"], truth, file_format, rng)
    write_second(country, split, stages, truth, file_format, rng)
    write_refused(country, stages["refused"], truth)
    for stage in stages.values():
        stage.write_manifest()
    arguments = {"enterprises": country.enterprises.num_rows, "seed": seed, "lines": lines, "file_format": file_format}
    write_truth(out / "truth.json", arguments, truth)
    write_readme(out, country.enterprises.num_rows, len(country.base), len(country.lines))
    counts = (country.enterprises.num_rows, len(country.base), len(country.lines))
    return World(out, stages["first"].folder, stages["second"].folder, stages["refused"].folder, out / "truth.json", *counts)


def draw_country(enterprises: int, seed: int, lines: int | None) -> Country:
    facts = load_facts()
    rng = np.random.default_rng([seed, 1])
    if lines is not None:
        enterprises = max(MINIMUM_ENTERPRISES, math.ceil(lines / LINES_PER_ENTERPRISE_AT_LEAST))
    main, frame = make_frame(facts, enterprises, rng)
    if lines is not None:
        frame, enterprises = cut_frame(facts, frame, lines)
        enterprises = max(enterprises, MINIMUM_ENTERPRISES)
    table = make_enterprises(facts, main[:enterprises], rng)
    all_lines = make_lines(facts, frame, rng)
    base = make_disclosures(facts, frame, sum_stages(facts, frame, all_lines), rng)
    all_lines = replace(all_lines, supplier=choose_suppliers(facts, frame, all_lines, rng))
    return Country(facts, seed, table, base, drop_lines(base, all_lines, rng))


def split_disclosures(country: Country, rng: np.random.Generator) -> Split:
    year, count = country.base.year, len(country.base)
    draw = rng.random(count)
    newest = len(YEARS) - 1
    revised_early = np.flatnonzero((year < newest) & (draw < 0.02))
    late = np.flatnonzero((year == newest) & (draw < 0.04))
    revised_late = np.flatnonzero((year >= newest - 1) & (draw > 0.96))
    has_lines = np.isin(revised_early, country.lines.disclosure)
    return Split(late, revised_early, revised_early[has_lines][:3], revised_late)


def select_lines(lines: Lines, positions: np.ndarray, count: int) -> Lines:
    wanted = np.zeros(count, bool)
    wanted[positions] = True
    return lines.take(np.flatnonzero(wanted[lines.disclosure]))


def write_first(country: Country, split: Split, stage: Stage, truth: Truth, file_format: str, rng: np.random.Generator) -> None:
    """The bulk, without faults; lines of the withheld revisions wait for their disclosure."""
    base, newest, count = country.base, len(YEARS) - 1, len(country.base)
    everyone = np.arange(count)
    earlier = everyone[(base.year < newest) & ~np.isin(everyone, split.withheld)]
    recent = everyone[(base.year == newest) & ~np.isin(everyone, split.late)]
    resubmitted = base.submitted[split.revised_early] + rng.integers(86400, 90 * 86400, len(split.revised_early)).astype("timedelta64[s]")
    revised, revised_lines = revise(base, country.lines, split.revised_early, resubmitted, rng)
    waiting = len(select_lines(country.lines, split.withheld, count))
    earlier_lines = select_lines(country.lines, everyone[base.year < newest], count)
    recent_lines = select_lines(country.lines, recent, count)
    tables = [
        ("2026-05-06", "enterprise", "", country.enterprises, 0),
        ("2026-05-07", "emission_factor", "", make_factors(country.facts, late=False), 0),
        ("2026-05-08", "product_footprint", "_2022_2024", country.show_footprints(base.take(earlier)), 0),
        ("2026-05-08", "footprint_activity", "_2022_2024", country.show_lines(earlier_lines, 1), waiting),
        (
            "2026-05-11",
            "market_quote",
            "_synthetic_2022_2026",
            make_quotes(country.facts, "2022-01", "2026-02", np.random.default_rng([country.seed, 3])),
            0,
        ),
        (
            "2026-06-30",
            "product_footprint",
            "_2025",
            pa.concat_tables([country.show_footprints(base.take(recent)), country.show_footprints(revised)]),
            0,
        ),
        (
            "2026-06-30",
            "footprint_activity",
            "_2025",
            pa.concat_tables([country.show_lines(recent_lines, 1), country.show_lines(revised_lines, 2)]),
            0,
        ),
    ]
    for received_on, source, suffix, table, waits in tables:
        name = f"{received_on.replace('-', '')}_{source}{suffix}.{file_format}"
        write_table(table, stage.receive(received_on, source, name, table.num_rows), file_format)
        truth.count("first", source, accepted=table.num_rows - waits, waiting=waits)
        log.info("%s: %d rows", name, table.num_rows)


def write_second(
    country: Country, split: Split, stages: dict[str, Stage], truth: Truth, file_format: str, rng: np.random.Generator
) -> None:
    """Restatements, revisions, late disclosures, the 2024 factors, newer quotes, bad rows of every rule, a file sent again."""
    stage, base, count = stages["second"], country.base, len(country.base)
    indices, restated = restate_enterprises(country.enterprises, country.facts, rng, share=0.05)
    unchanged = country.enterprises.take(pa.array(np.setdiff1d(np.arange(country.enterprises.num_rows), indices)))
    rows = read_as_text(unchanged.filter(pa.array([not code.startswith("name:") for code in unchanged["enterprise_id"].to_pylist()])))
    deliver(
        *(stage, truth, "enterprise", "2026-09-14", ""),
        read_as_text(restated), spoil.spoil_enterprises(rows), rows[6:], "gb18030", CHINESE_ENTERPRISE_HEADER,
    )  # fmt: skip
    first_file = stages["first"].manifest[0]["file"]
    again = f"20260915_enterprise_again.{file_format}"
    source_path = stages["first"].folder / "inbox" / "enterprise" / str(first_file)
    shutil.copyfile(source_path, stage.receive("2026-09-15", "enterprise", again, country.enterprises.num_rows))
    truth.identical[f"enterprise/{again}"] = {"same_bytes_as": first_file, "rows": country.enterprises.num_rows}
    truth.count("second", "enterprise", duplicate=country.enterprises.num_rows)

    stored_factors = read_as_text(make_factors(country.facts, late=False))
    stored = next(
        row
        for row in stored_factors
        if (row["factor_family"], row["activity_code"], row["edition"]) == ("footprint", "electricity_grid", "2023")
    )
    late_factors = read_as_text(make_factors(country.facts, late=True))
    deliver(stage, truth, "emission_factor", "2026-09-15", "", late_factors, spoil.spoil_factors(stored, "2026-09-15"), stored_factors)

    submitted = np.datetime64("2026-07-01T09:00:00") + rng.integers(0, 70 * 86400, len(split.revised_late)).astype("timedelta64[s]")
    revised, revised_lines = revise(base, country.lines, split.revised_late, submitted, rng)
    arrivals = [base.take(split.late), base.take(split.withheld), revised]
    footprints = read_as_text(pa.concat_tables([country.show_footprints(part) for part in arrivals]))
    ordinary = np.setdiff1d(np.arange(count), np.concatenate([split.late, split.revised_early, split.revised_late]))
    stored_footprints = read_as_text(country.show_footprints(base.take(ordinary[: min(len(ordinary), 2000)])))
    deliver(
        stage, truth, "product_footprint", "2026-09-15", "", footprints, spoil_with_examples(stored_footprints, count), stored_footprints
    )

    new_lines = pa.concat_tables(
        [country.show_lines(select_lines(country.lines, split.late, count), 1), country.show_lines(revised_lines, 2)]
    )
    stored_lines = read_as_text(country.show_lines(select_lines(country.lines, ordinary[:200], count), 1))
    good = next(row for row in stored_lines if row["activity_code"] == "electricity_grid" and row["geography_code"] not in ("CN", "GLO"))
    orphans = [f"DEMO-2025-{9_100_000 + number}" for number in range(2)]
    line_faults = spoil.spoil_lines(stored_lines[0], good, orphans)
    deliver(stage, truth, "footprint_activity", "2026-09-15", "", read_as_text(new_lines), line_faults, stored_lines)
    write_new_quotes(country, stage, truth)


def spoil_with_examples(stored: list[Row], count: int) -> list[Fault]:
    """Find the rows that the faults of disclosures start from; the peer's product has the most disclosures, stated by mass."""
    gate = next(row for row in stored if row["product_code"] == "STEEL-BF" and row["declared_unit"] == "t" and row["raw_material_kg_co2e"])
    grave = next(row for row in stored if row["boundary"] == "cradle_to_grave" and row["use_kg_co2e"])
    peer = next(row for row in stored if row["product_code"] == "CEMENT" and row["declared_unit"] == "t")
    if not (gate["enterprise_id"] or "").startswith("9"):
        raise ValueError("the example of a faulty code must be a credit code")
    identifiers = [f"DEMO-2025-{9_000_000 + number}" for number in range(50)]
    if count >= 9_000_000:
        raise ValueError("numbers of faulty disclosures collide with real ones")
    return spoil.spoil_footprints(stored[0], gate, grave, peer, identifiers)


def write_new_quotes(country: Country, stage: Stage, truth: Truth) -> None:
    """The newest months; a few cells spelt the way people spell them."""
    quotes = read_as_text(make_quotes(country.facts, "2026-03", "2026-07", np.random.default_rng([country.seed, 3])))
    earlier = read_as_text(make_quotes(country.facts, "2025-12", "2026-02", np.random.default_rng([country.seed, 3])))
    listed = next(row for row in quotes if row["trade_method"] == "listed" and row["low_cny_per_t"] != row["high_cny_per_t"])
    block = next(row for row in quotes if row["trade_method"] == "block")
    stored = next(row for row in earlier if row["trade_method"] == "listed" and row["volume_t"] != "0")
    folded = {
        2: ("trade_date", lambda day: day.replace("-", "/")),
        5: ("trade_date", lambda day: day.replace("-", "")),
        9: ("trade_date", lambda day: f"{int(day[:4])}年{int(day[5:7])}月{int(day[8:])}日"),
        14: ("volume_t", lambda volume: f"{int(volume):,}"),
        20: ("close_cny_per_t", lambda price: price.translate(str.maketrans("0123456789.", "０１２３４５６７８９．"))),
    }
    days = {index: quotes[index]["trade_date"] for index in folded}
    fold_cells(quotes, folded)
    faults = spoil.spoil_quotes(listed, block, stored)
    rows, name = deliver(stage, truth, "market_quote", "2026-09-16", "_synthetic_2026", quotes, faults, earlier)
    for index, (column, _) in folded.items():
        number = next(place for place, row in enumerate(rows, start=1) if row is quotes[index])
        entry = {"stage": "second", "source": "market_quote", "file": name, "row_number": number, "column": column}
        truth.normalised.append(entry | {"trade_date": days[index]})


def deliver(
    stage: Stage,
    truth: Truth,
    source: str,
    received_on: str,
    suffix: str,
    clean: list[Row],
    faults: list[Fault],
    padding: list[Row],
    encoding: str = "utf-8",
    header: list[str] | None = None,
) -> tuple[list[Row], str]:
    """One file of new rows, faults, and as many stored rows again as keep the bad share tolerable; returns its rows and name."""
    missing = count_padding(len(clean), len(faults), BAD_SHARE)
    if missing > len(padding):
        raise ValueError(f"{source}: {missing} stored rows are needed beside the faults, found {len(padding)}")
    rows, rules = mix_faults([*clean, *padding[:missing]], faults)
    columns = list(FACTOR_COLUMNS) if source == "emission_factor" else list(clean[0])
    name = f"{received_on.replace('-', '')}_{source}{suffix or '_mixed'}.csv"
    write_rows(rows, columns, stage.receive(received_on, source, name, len(rows)), encoding, header)
    truth.list_faults(source, name, rules)
    truth.count("second", source, accepted=len(clean), duplicate=missing, quarantined=len(faults))
    log.info("%s: %d rows, %d of them faulty", name, len(rows), len(faults))
    return rows, name


def write_refused(country: Country, stage: Stage, truth: Truth) -> None:
    """Files of which nothing may land."""
    rows = read_as_text(country.enterprises.slice(0, 20))
    columns = list(rows[0])
    day = "2026-09-17"

    def place(source: str, reason: str) -> Path:
        name = f"{day.replace('-', '')}_refused_{reason}.csv"
        truth.rejected.append(
            {"stage": "refused", "source": source, "file": name, "reason": reason.removesuffix("_binary").removesuffix("_empty")}
        )
        return stage.receive(day, source, name, 0)

    write_rows(rows, columns[:-1], place("enterprise", "column_missing"))
    write_rows(rows, columns, place("enterprise", "header_repeated"), header=[*columns[:-1], columns[0]])
    write_rows([], columns, place("enterprise", "no_data_rows"))
    bad = [row | {"enterprise_id": f"{(row['enterprise_id'] or '')[:-1]}I"} if index % 2 else row for index, row in enumerate(rows)]
    write_rows(bad, columns, place("enterprise", "too_many_bad_rows"))
    place("market_quote", "unreadable_binary").write_bytes(bytes(range(256)) * 8)
    place("footprint_activity", "unreadable_empty").write_bytes(b"")


def write_truth(path: Path, arguments: dict[str, Any], truth: Truth) -> None:
    content = {
        "arguments": arguments,
        "as_of": AS_OF,
        "synthetic": {
            "zh": "企业、披露、活动数据与每日行情均为合成；排放因子、月度成交量与月末价为公开数据",
            "en": "enterprises, disclosures, activities and daily quotes are synthetic; factors, monthly volumes and month-end closes published",
        },
        "sources": truth.sum_sources(),
        "stages": truth.stages,
        "identical_files": truth.identical,
        "rejected_files": truth.rejected,
        "normalised_cells": truth.normalised,
        "rows": truth.rows,
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
