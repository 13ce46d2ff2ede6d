"""The country split into files: the bulk, what changes it, and what must be refused."""

import logging
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse.demonstration import faults as spoil
from warehouse.demonstration.country import Country, Split, select_lines
from warehouse.demonstration.enterprises import restate_enterprises
from warehouse.demonstration.factors import make_factors
from warehouse.demonstration.facts import YEARS
from warehouse.demonstration.files import Fault, Row, Stage, count_padding, fold_cells, mix_faults, read_as_text, write_rows, write_table
from warehouse.demonstration.footprints import revise
from warehouse.demonstration.truth import Truth

BAD_SHARE = 0.14  # below the tolerated 20 %: these files land, without their bad rows
CHINESE_ENTERPRISE_HEADER = ["统一社会信用代码", "企业名称", "省份代码", "行业代码"]
OUTLIER_PEERS = 20  # the contract looks for outliers from so many disclosures in force on
FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
FAULTY_NUMBERS = 9_000_000  # disclosures that only faulty rows name count from here
log = logging.getLogger(__name__)


def write_first(country: Country, split: Split, stage: Stage, truth: Truth, *, file_format: str, rng: np.random.Generator) -> None:
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
            country.show_quotes("2022-01", "2026-02"),
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
        write_clean(table, stage, truth, (received_on, source, suffix), file_format, waits)


def write_clean(table: pa.Table, stage: Stage, truth: Truth, named: tuple[str, str, str], file_format: str, waits: int = 0) -> None:
    """One file of the first stage; `named`: the day of receipt, the source and what the file's name says beside it."""
    received_on, source, suffix = named
    name = f"{received_on.replace('-', '')}_{source}{suffix}.{file_format}"
    write_table(table, stage.receive(received_on, source, name, table.num_rows), file_format)
    truth.count("first", source, accepted=table.num_rows - waits, waiting=waits)
    log.info("%s: %d rows", name, table.num_rows)


@dataclass(frozen=True)
class MixedFile:
    """A file of new rows and faults, with stored rows again until the bad share is tolerable."""

    source: str
    received_on: str
    clean: list[Row]
    faults: list[Fault]
    padding: list[Row]
    suffix: str = "_mixed"
    encoding: str = "utf-8"
    header: list[str] | None = None

    @property
    def name(self) -> str:
        return f"{self.received_on.replace('-', '')}_{self.source}{self.suffix}.csv"

    def write(self, stage: Stage, truth: Truth) -> list[Row]:
        """Write it and enter it into the manifest and the truth; returns its rows in order."""
        missing = count_padding(len(self.clean), len(self.faults), BAD_SHARE)
        if missing > len(self.padding):
            raise ValueError(f"{self.source}: {missing} stored rows are needed beside the faults, found {len(self.padding)}")
        rows, rules = mix_faults([*self.clean, *self.padding[:missing]], self.faults)
        path = stage.receive(self.received_on, self.source, self.name, len(rows))
        write_rows(rows, list(self.clean[0]), path, self.encoding, self.header)
        truth.list_faults(self.source, self.name, rules)
        truth.count("second", self.source, accepted=len(self.clean), duplicate=missing, quarantined=len(self.faults))
        log.info("%s: %d rows, %d of them faulty", self.name, len(rows), len(self.faults))
        return rows


def write_second(
    country: Country, split: Split, stages: dict[str, Stage], truth: Truth, *, file_format: str, rng: np.random.Generator
) -> None:
    """Restatements, revisions, late disclosures, the 2024 factors, newer quotes, bad rows of every rule, a file sent again."""
    stage = stages["second"]
    spoil_and_restate(country, rng).write(stage, truth)
    send_again(country, stages, truth, file_format)
    change_factors(country).write(stage, truth)
    for mixed in change_footprints(country, split, rng):
        mixed.write(stage, truth)
    write_new_quotes(country, stage, truth)


def spoil_and_restate(country: Country, rng: np.random.Generator) -> MixedFile:
    """Some enterprises again with a new province or name; with Chinese headers in GB18030, as an office would send it."""
    indices, restated = restate_enterprises(country.enterprises, country.facts, rng, share=0.05)
    unchanged = country.enterprises.take(pa.array(np.setdiff1d(np.arange(country.enterprises.num_rows), indices)[:1000]))
    rows = [row for row in read_as_text(unchanged) if not (row["enterprise_id"] or "").startswith("name:")]
    clean, faults = read_as_text(restated), spoil.spoil_enterprises(rows)
    header = CHINESE_ENTERPRISE_HEADER
    return MixedFile("enterprise", "2026-09-14", clean, faults, rows[6:], encoding="gb18030", header=header)


def send_again(country: Country, stages: dict[str, Stage], truth: Truth, file_format: str) -> None:
    """The first enterprise file, byte by byte, after its restatement: it must not undo it."""
    rows = country.enterprises.num_rows
    first = next(str(entry["file"]) for entry in stages["first"].manifest if entry["source"] == "enterprise")
    name = f"20260915_enterprise_again.{file_format}"
    shutil.copyfile(
        stages["first"].folder / "inbox" / "enterprise" / first, stages["second"].receive("2026-09-15", "enterprise", name, rows)
    )
    truth.identical[f"enterprise/{name}"] = {"same_bytes_as": first, "rows": rows}
    truth.count("second", "enterprise", duplicate=rows)


def change_factors(country: Country) -> MixedFile:
    """The 2024 electricity footprint factors, which move every recalculated footprint since 2024."""
    stored = read_as_text(make_factors(country.facts, late=False))
    wanted = {"factor_family": "footprint", "activity_code": "electricity_grid", "edition": "2023"}
    example = next(row for row in stored if wanted.items() <= row.items())
    late = read_as_text(make_factors(country.facts, late=True))
    return MixedFile("emission_factor", "2026-09-15", late, spoil.spoil_factors(example, "2026-09-15"), stored)


def change_footprints(country: Country, split: Split, rng: np.random.Generator) -> list[MixedFile]:
    """Late disclosures, an older revision after a newer one, revisions; then the lines of those that are new."""
    base, count, day = country.base, len(country.base), "2026-09-15"
    submitted = np.datetime64("2026-07-01T09:00:00") + rng.integers(0, 70 * 86400, len(split.revised_late)).astype("timedelta64[s]")
    revised, revised_lines = revise(base, country.lines, split.revised_late, submitted, rng)
    arrivals = [base.take(split.late), base.take(split.withheld), revised]
    clean = read_as_text(pa.concat_tables([country.show_footprints(part) for part in arrivals]))
    ordinary = np.setdiff1d(np.arange(count), np.concatenate([split.late, split.revised_early, split.revised_late]))
    stored = read_as_text(country.show_footprints(base.take(ordinary[:2000])))
    footprints = MixedFile("product_footprint", day, clean, spoil_with_examples(stored), stored)

    late_lines = country.show_lines(select_lines(country.lines, split.late, count), 1)
    new_lines = read_as_text(pa.concat_tables([late_lines, country.show_lines(revised_lines, 2)]))
    stored_lines = read_as_text(country.show_lines(select_lines(country.lines, ordinary[:200], count), 1))
    example = next(row for row in stored_lines if row["activity_code"] == "electricity_grid")
    orphans = [f"DEMO-{YEARS[-1]}-{FAULTY_NUMBERS + 100_000 + number}" for number in range(2)]
    lines = MixedFile("footprint_activity", day, new_lines, spoil.spoil_lines(stored_lines[0], example, orphans), stored_lines)
    return [footprints, lines]


def spoil_with_examples(stored: list[Row]) -> list[Fault]:
    """Find the rows that the faults of disclosures start from; the peer's product has the most disclosures, stated by mass."""
    gate = next(
        row
        for row in stored
        if row["product_code"] == "STEEL-BF" and row["declared_unit"] == "t" and row["raw_material_kg_co2e"]
        and (row["enterprise_id"] or "").startswith("9") and (row["period_end"] or "").endswith("-12-31")
    )  # fmt: skip
    by_mass = [row for row in stored if row["declared_unit"] == "t"]
    product, count = Counter(row["product_code"] for row in by_mass).most_common(1)[0]
    if count < OUTLIER_PEERS:
        raise ValueError(f"an outlier needs {OUTLIER_PEERS} disclosures of its product, found {count} of {product}; make more enterprises")
    peer = next(row for row in by_mass if row["product_code"] == product)
    identifiers = [f"DEMO-{YEARS[-1]}-{FAULTY_NUMBERS + number}" for number in range(50)]
    return spoil.spoil_footprints(stored[0], gate, peer, identifiers)


def write_new_quotes(country: Country, stage: Stage, truth: Truth) -> None:
    """The newest months; a few cells spelt the way people spell them."""
    quotes = read_as_text(country.show_quotes("2026-03", "2026-07"))
    earlier = read_as_text(country.show_quotes("2025-12", "2026-02"))
    listed = next(row for row in quotes if row["trade_method"] == "listed" and row["low_cny_per_t"] != row["high_cny_per_t"])
    block = next(row for row in quotes if row["trade_method"] == "block")
    stored = next(row for row in earlier if row["trade_method"] == "listed" and row["volume_t"] != "0")
    faults = spoil.spoil_quotes(listed, block, stored)
    folded = {
        2: ("trade_date", lambda day: day.replace("-", "/")),
        5: ("trade_date", lambda day: day.replace("-", "")),
        9: ("trade_date", lambda day: f"{int(day[:4])}年{int(day[5:7])}月{int(day[8:])}日"),
        14: ("volume_t", lambda volume: f"{int(volume):,}"),
        20: ("close_cny_per_t", lambda price: price.translate(FULL_WIDTH)),
    }
    fold_cells(quotes, folded)
    mixed = MixedFile("market_quote", "2026-09-16", quotes, faults, earlier, suffix="_synthetic_2026")
    rows = mixed.write(stage, truth)
    for index, (column, _) in folded.items():
        number = next(place for place, row in enumerate(rows, start=1) if row is quotes[index])
        entry = {"stage": "second", "source": "market_quote", "file": mixed.name, "row_number": number, "column": column}
        truth.normalised.append(entry)


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
