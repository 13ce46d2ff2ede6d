"""National carbon market of the synthetic country: facilities, allocation and surrenders of those whose product is covered."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.facts import SEEDS, YEARS, read_rows
from warehouse.demonstration.footprints import Columns, round_significant

MARKET = "CN-ETS"
POLICY = SEEDS.parent / "policy"
# The market managed about 2,200 power entities and some 1,300 more with three new sectors (MEE): a larger country would be none.
MOST_EMITTERS = 3_500
SECOND_FACILITY_SHARE = 0.1
FIRST_FACILITY_PART = 0.6
OFFSET_USER_SHARE = 0.14
LATE_SHARE = 0.03
SHORT_SHARE = 0.02
EARLY_SHARE = 0.12
DUE_YEARS = 3  # of YEARS; the newest falls due after the demonstration's day
PLANTED = 2  # cases of every finding


@dataclass(frozen=True)
class FacilityYears(Columns):
    """One entry per facility and compliance year; `kind` indexes `facts.emitters`, tonnes are whole."""

    enterprise: np.ndarray
    facility: np.ndarray
    year: np.ndarray
    kind: np.ndarray
    output: np.ndarray
    verified: np.ndarray
    allocated: np.ndarray


@dataclass(frozen=True)
class Surrenders(Columns):
    """One entry per surrender; tonnes are whole."""

    enterprise: np.ndarray
    year: np.ndarray
    is_offset: np.ndarray
    quantity: np.ndarray
    day: np.ndarray


def measure_emitters(country: Country) -> tuple[np.ndarray, np.ndarray]:
    """Output of the main product (catalogue units) and emissions of all production (t) by enterprise and year, NaN where undisclosed."""
    base, count = country.base, country.enterprises.num_rows
    cell = base.enterprise * len(YEARS) + base.year
    of_main = np.where(base.product == country.main[base.enterprise], base.output * base.scale, 0.0)
    output = np.bincount(cell, weights=of_main, minlength=count * len(YEARS))
    emitted = np.bincount(cell, weights=base.stages[:, 1] * base.output / 1000, minlength=count * len(YEARS))
    known = (output > 0) & (emitted > 0)
    shape = (count, len(YEARS))
    return np.where(known, output, np.nan).reshape(shape), np.where(known, emitted, np.nan).reshape(shape)


def read_benchmarks(country: Country) -> np.ndarray:
    """tCO2e per output unit by kind of emitter and year, NaN where the allocation plan has none."""
    seeds = {(row["benchmark_category"], row["compliance_year"]): row for row in read_rows(POLICY / "ets" / "ets_benchmark.csv")}
    table = np.full((len(country.facts.emitters), len(YEARS)), np.nan)
    for kind, emitter in enumerate(country.facts.emitters):
        for column, year in enumerate(YEARS):
            row = seeds.get((emitter["benchmark_category"], str(year)))
            if row is not None:
                table[kind, column] = float(row["t_co2e_per_unit"])
    return table


def draw_facility_years(country: Country, rng: np.random.Generator) -> FacilityYears:
    emitters = country.facts.emitters
    kind_of_product = np.full(len(country.facts.products), -1)
    for kind, emitter in enumerate(emitters):
        kind_of_product[country.facts.product_codes.index(emitter["product_code"])] = kind
    kinds = kind_of_product[country.main]
    domestic = country.provinces != "990000"
    owners = np.flatnonzero((kinds >= 0) & domestic)[:MOST_EMITTERS]
    output, emitted = measure_emitters(country)
    first_year = np.array([YEARS.index(int(row["first_year"])) for row in emitters])
    covered = ~np.isnan(output[owners]) & (np.arange(len(YEARS)) >= first_year[kinds[owners]][:, None])
    place, year = np.nonzero(covered)
    enterprise = owners[place]
    has_second = (rng.random(len(owners)) < SECOND_FACILITY_SHARE)[place]
    part = np.where(has_second, FIRST_FACILITY_PART, 1.0)
    again = np.flatnonzero(has_second)
    enterprise, year = np.concatenate([enterprise, enterprise[again]]), np.concatenate([year, year[again]])
    part = np.concatenate([part, np.full(len(again), 1 - FIRST_FACILITY_PART)])
    number = np.concatenate([np.ones(len(place), np.int64), np.full(len(again), 2)])
    kind = kinds[enterprise]
    per_unit = np.array([float(row["output_per_unit"]) for row in emitters])
    shown = round_significant(output[enterprise, year] * per_unit[kind] * part, 7)
    verified = np.rint(emitted[enterprise, year] * part * rng.lognormal(0.0, 0.04, len(kind)))
    benchmark = read_benchmarks(country)[kind, year]
    balanced = np.where(year == len(YEARS) - 1, verified * rng.uniform(0.95, 1.05, len(kind)), verified)
    allocated = np.rint(np.where(np.isnan(benchmark), balanced, shown * benchmark))
    drawn = FacilityYears(enterprise, enterprise * 10 + number, year, kind, shown, verified, allocated)
    return drawn.take(np.lexsort((drawn.facility, drawn.year)))


def sum_obligations(country: Country, facility_years: FacilityYears) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enterprise, year and whole tonnes to surrender, one entry each; the gap cap is the power sector's."""
    caps = {(row["sector"], row["compliance_year"]): row["gap_cap_share"] for row in read_rows(POLICY / "ets" / "ets_rule.csv")}
    share = np.array([[float(caps.get((row["sector"], str(year))) or "inf") for year in YEARS] for row in country.facts.emitters])
    key = facility_years.enterprise * len(YEARS) + facility_years.year
    keys, place = np.unique(key, return_inverse=True)
    verified = np.bincount(place, weights=facility_years.verified)
    allocated = np.bincount(place, weights=facility_years.allocated)
    kind = np.zeros(len(keys), np.int64)
    kind[place] = facility_years.kind
    year = keys % len(YEARS)
    return keys // len(YEARS), year, np.ceil(np.minimum(verified, allocated + share[kind, year] * verified)).astype(np.int64)


def find_deadlines() -> np.ndarray:
    rules = {row["compliance_year"]: row["deadline"] for row in read_rows(POLICY / "ets" / "ets_rule.csv")}
    return np.array([rules[str(year)] for year in YEARS], "datetime64[D]")


def draw_surrenders(country: Country, facility_years: FacilityYears, rng: np.random.Generator) -> tuple[Surrenders, Surrenders, np.ndarray]:
    """Surrenders of the years due, early ones of the newest year, and which of the first are offsets above the cap (positions)."""
    enterprise, year, owed = sum_obligations(country, facility_years)
    due = np.flatnonzero((year < DUE_YEARS) & (owed > 1000))
    enterprise_due, year_due, owed_due = enterprise[due], year[due], owed[due]
    count = len(due)
    wanted = max(10, round(OFFSET_USER_SHARE * count))
    users = rng.choice(count, size=min(wanted, count), replace=False)
    # The planted cases are all of the newest year due, whose credits are of the new scheme: a small country needs some there.
    newest_due = np.flatnonzero(year_due == DUE_YEARS - 1)
    users = np.union1d(users, rng.choice(newest_due, size=min(3 * PLANTED, len(newest_due)), replace=False))
    share = np.zeros(count)
    share[users] = rng.uniform(0.01, 0.045, len(users))
    newest_users = users[year_due[users] == DUE_YEARS - 1]
    above = newest_users[:PLANTED]
    share[above] = 0.08
    offset = np.floor(owed_due * share).astype(np.int64)
    is_user = share > 0
    draw = rng.random(count)
    short = ~is_user & (draw < SHORT_SHARE)
    late = ~is_user & (draw > 1 - LATE_SHARE)
    allowance = np.where(short, np.floor(owed_due * 0.9).astype(np.int64), owed_due - offset)
    day = find_deadlines()[year_due] - rng.integers(1, 60, count)
    day = np.where(late, find_deadlines()[year_due] + rng.integers(5, 40, count), day)
    in_time = Surrenders(
        enterprise=np.concatenate([enterprise_due, enterprise_due[users]]),
        year=np.concatenate([year_due, year_due[users]]),
        is_offset=np.concatenate([np.zeros(count, bool), np.ones(len(users), bool)]),
        quantity=np.concatenate([allowance, offset[users]]),
        day=np.concatenate([day, day[users]]),
    )
    newest = np.flatnonzero((year == len(YEARS) - 1) & (owed > 1000))
    early = newest[np.sort(rng.choice(len(newest), size=max(4, round(EARLY_SHARE * len(newest))), replace=False))]
    days = np.datetime64("2026-08-03") + rng.integers(0, 40, len(early))
    early_ones = Surrenders(enterprise[early], year[early], np.zeros(len(early), bool), owed[early], days)
    return in_time, early_ones, count + np.flatnonzero(np.isin(users, above))


def name_facilities(facilities: np.ndarray) -> np.ndarray:
    return np.char.add("DEMO-FAC-", np.char.zfill(facilities.astype(str), 8))


def write_facility_years(country: Country, rows: FacilityYears) -> pa.Table:
    emitters = country.facts.emitters
    columns = {name: pa.array([row[name] for row in emitters]).take(pa.array(rows.kind)) for name in ("sector", "benchmark_category")}
    return pa.table(
        {
            "market": pa.array([MARKET] * len(rows)),
            "enterprise_id": country.enterprise_ids.take(pa.array(rows.enterprise)),
            "facility_id": pa.array(name_facilities(rows.facility)),
            "compliance_year": pa.array(np.array(YEARS)[rows.year]),
            **columns,
            "output_quantity": pa.array(rows.output),
            "output_unit": pa.array([row["output_unit"] for row in emitters]).take(pa.array(rows.kind)),
            "verified_t_co2e": pa.array(rows.verified.astype(np.int64)),
            "allocated_t_co2e": pa.array(rows.allocated.astype(np.int64)),
        }
    )


def write_surrenders(country: Country, rows: Surrenders, first_number: int) -> pa.Table:
    numbers = np.char.zfill((first_number + np.arange(len(rows))).astype(str), 7)
    return pa.table(
        {
            "surrender_id": pa.array(np.char.add("DEMO-SUR-", numbers)),
            "market": pa.array([MARKET] * len(rows)),
            "enterprise_id": country.enterprise_ids.take(pa.array(rows.enterprise)),
            "compliance_year": pa.array(np.array(YEARS)[rows.year]),
            "instrument_kind": pa.array(np.where(rows.is_offset, "offset", "allowance")),
            "quantity_t_co2e": pa.array(rows.quantity),
            "surrendered_on": pa.array(rows.day, pa.date32()),
        }
    )
