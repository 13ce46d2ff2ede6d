"""Voluntary credits of the synthetic country: projects, issuances and cancellations that agree with the offsets surrendered,
but for a few planted cases that the findings must name."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.facts import YEARS
from warehouse.demonstration.footprints import Columns
from warehouse.demonstration.instruments.compliance import DUE_YEARS, PLANTED, FacilityYears, Surrenders, name_facilities

LEGACY_METHODOLOGY = "CM-001-V02"
OTHER_METHODOLOGY = "CCER-06-001-V01"
PROJECT_SHARE = 0.06
MOST_PROJECTS = 400
PERIODS = 3
SUPPLY_RATIO = 1.5
OUTSIDER_T = 12_000  # tonnes of each planted cancellation that nobody surrendered


@dataclass(frozen=True)
class Projects(Columns):
    """One entry per project; `facility` is -1 outside the market."""

    owner: np.ndarray
    is_legacy: np.ndarray
    methodology: np.ndarray
    registered: np.ndarray
    start: np.ndarray
    end: np.ndarray
    facility: np.ndarray


@dataclass(frozen=True)
class Issuances(Columns):
    project: np.ndarray
    start: np.ndarray
    end: np.ndarray
    quantity: np.ndarray
    day: np.ndarray


@dataclass(frozen=True)
class Cancellations(Columns):
    """`beneficiary` and `year` are -1 for a voluntary one."""

    issuance: np.ndarray
    quantity: np.ndarray
    day: np.ndarray
    beneficiary: np.ndarray
    year: np.ndarray


@dataclass(frozen=True)
class Credits:
    """The registry; `findings` is what the marts must say of it, by rule: subjects as the marts write them."""

    projects: Projects
    issuances: Issuances
    later_issuances: Issuances
    cancellations: Cancellations
    later_cancellations: Cancellations
    findings: dict[str, list[str]]


def name_all(prefix: str, positions: np.ndarray) -> np.ndarray:
    return np.char.add(f"DEMO-{prefix}-", np.char.zfill(positions.astype(str), 6))


def draw_projects(country: Country, facility_years: FacilityYears, rng: np.random.Generator) -> Projects:
    """A third of the old scheme; the last PLANTED + 1 are planted: in facilities of the market, and a twin of another project."""
    products = np.array(country.facts.product_codes)
    outside = np.array([not country.facts.catalogue[code]["ets_sector"] for code in products])
    candidates = np.flatnonzero(outside[country.main] & (country.provinces != "990000"))
    count = int(np.clip(PROJECT_SHARE * country.enterprises.num_rows, 9, min(MOST_PROJECTS, len(candidates) - PLANTED)))
    owners = rng.choice(candidates, size=count + PLANTED, replace=False)
    methods = {row["product_code"]: row["methodology_code"] for row in country.facts.credit_activities}
    by_product = np.array([methods.get(code, OTHER_METHODOLOGY) for code in products])
    is_legacy = np.concatenate([np.arange(count) < count // 3, np.zeros(PLANTED, bool)])
    registered = np.where(
        is_legacy,
        np.datetime64("2015-03-02") + rng.integers(0, 600, len(owners)),
        np.datetime64("2024-09-02") + rng.integers(0, 150, len(owners)),
    )
    start = np.where(is_legacy, np.datetime64("2013-01-01"), np.datetime64("2023-01-01")) + rng.integers(0, 60, len(owners))
    end = start + np.where(is_legacy, 7 * 365, 10 * 365)
    in_market = np.unique(facility_years.facility[(facility_years.year == 1) & (facility_years.facility % 10 == 1)])
    facility = np.full(len(owners), -1)
    facility[count:] = in_market[:PLANTED]
    drawn = Projects(
        owners, is_legacy, np.where(is_legacy, LEGACY_METHODOLOGY, by_product[country.main[owners]]), registered, start, end, facility
    )
    twin = drawn.take(np.array([count - 1]))
    joined = [np.concatenate([getattr(drawn, name), getattr(twin, name)]) for name in Projects.__dataclass_fields__]
    return Projects(*joined)


def draw_issuances(projects: Projects, wanted_legacy: int, wanted_new: int, rng: np.random.Generator) -> Issuances:
    """Three monitoring periods of a third of a year each per project but the twin, in all SUPPLY_RATIO times what is wanted."""
    project = np.repeat(np.arange(len(projects) - 1), PERIODS)
    period = np.tile(np.arange(PERIODS), len(projects) - 1)
    start = projects.start[project] + 30 + period * 130
    weights = rng.lognormal(0.0, 0.4, len(project))
    legacy = projects.is_legacy[project]
    ordinary = projects.facility[project] < 0
    wanted = np.where(legacy, max(wanted_legacy, 60_000), max(wanted_new, 60_000))
    together = np.where(legacy, weights[legacy].sum(), weights[~legacy & ordinary].sum())
    quantity = np.ceil(wanted * SUPPLY_RATIO * weights / together).astype(np.int64)
    day = np.where(legacy, np.datetime64("2016-02-01") + period * 60, projects.registered[project] + 90 + period * 30)
    return Issuances(project, start, start + 119, quantity, day)


def match_amounts(demand: np.ndarray, supply: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill each demand from the supplies in order: position of the demand, of the supply, and the amount of every piece."""
    demanded, supplied = np.cumsum(demand), np.cumsum(supply)
    if len(demand) and demanded[-1] > supplied[-1]:
        raise ValueError(f"{demanded[-1]} t are wanted, {supplied[-1]} t were issued")
    edges = np.unique(np.concatenate([[0], demanded, supplied[supplied < (demanded[-1] if len(demand) else 0)]]))
    start = edges[:-1]
    return np.searchsorted(demanded, start, "right"), np.searchsorted(supplied, start, "right"), np.diff(edges)


def cancel_offsets(offsets: Surrenders, issuances: Issuances, usable: np.ndarray, rng: np.random.Generator) -> Cancellations:
    who, position, amount = match_amounts(offsets.quantity, issuances.quantity[usable])
    day = offsets.day[who] - rng.integers(2, 10, len(who))
    return Cancellations(usable[position], amount, day, offsets.enterprise[who], offsets.year[who])


def draw_credits(country: Country, facility_years: FacilityYears, surrenders: Surrenders, rng: np.random.Generator) -> Credits:
    offsets = surrenders.take(np.flatnonzero(surrenders.is_offset))
    old, new = np.flatnonzero(offsets.year < DUE_YEARS - 1), np.flatnonzero(offsets.year == DUE_YEARS - 1)
    # Planted: the last users of the newest year take credits of the old scheme, and the ones before them cancel nothing.
    expired, uncancelled = new[-PLANTED:], new[-2 * PLANTED : -PLANTED]
    ordinary = new[: -2 * PLANTED]
    projects = draw_projects(country, facility_years, rng)
    from_legacy = offsets.take(np.concatenate([old, expired]))
    from_new = offsets.take(ordinary)
    wanted_new = int(from_new.quantity.sum()) + PLANTED * OUTSIDER_T
    issuances = draw_issuances(projects, int(from_legacy.quantity.sum()), wanted_new, rng)
    legacy = projects.is_legacy[issuances.project]
    free = np.flatnonzero(~legacy & (projects.facility[issuances.project] < 0))
    of_legacy = cancel_offsets(from_legacy, issuances, np.flatnonzero(legacy), rng)
    of_new = cancel_offsets(from_new, issuances, free, rng)
    outsider = np.flatnonzero(
        ~np.isin(np.arange(country.enterprises.num_rows), facility_years.enterprise) & (country.provinces != "990000")
    )
    unsurrendered = Cancellations(
        np.repeat(free[-1], PLANTED), np.full(PLANTED, OUTSIDER_T), np.repeat(np.datetime64("2025-12-10"), PLANTED),
        outsider[:PLANTED], np.repeat(DUE_YEARS - 1, PLANTED),
    )  # fmt: skip
    used = np.bincount(np.concatenate([of_legacy.issuance, of_new.issuance, unsurrendered.issuance]),
                       weights=np.concatenate([of_legacy.quantity, of_new.quantity, unsurrendered.quantity]), minlength=len(issuances))  # fmt: skip
    # What planted outsiders take must have been issued on top of what the ordinary ones used.
    issuances = replace(issuances, quantity=np.maximum(issuances.quantity, np.ceil(used).astype(np.int64)))
    left = issuances.quantity - used
    given = np.flatnonzero((left > 2000) & (rng.random(len(left)) < 0.5))
    voluntary = Cancellations(
        given, np.floor(left[given] * 0.2).astype(np.int64), np.datetime64("2026-03-02") + rng.integers(0, 60, len(given)),
        np.full(len(given), -1), np.full(len(given), -1),
    )  # fmt: skip
    parts = [of_legacy, of_new, unsurrendered, voluntary]
    cancellations = Cancellations(*(np.concatenate([getattr(part, name) for part in parts]) for name in Cancellations.__dataclass_fields__))
    later = draw_later(projects, issuances, left - np.bincount(given, voluntary.quantity, len(left)))
    expired_rows = np.flatnonzero(of_legacy.year == DUE_YEARS - 1)
    ids = np.array(country.enterprise_ids.to_pylist(), dtype=object)

    def subjects(enterprises: np.ndarray, years: np.ndarray) -> list[str]:
        return sorted({f"{ids[who]}|{YEARS[year]}" for who, year in zip(enterprises, years, strict=True)})

    findings = {
        "in_ets_facility": sorted(name_all("ISS", np.flatnonzero(projects.facility[issuances.project] >= 0)).tolist()),
        "legacy_expired": sorted(name_all("CAN", expired_rows).tolist()),
        "duplicate_project": ["|".join(name_all("PRJ", np.array([len(projects) - 2 - PLANTED, len(projects) - 1])).tolist())],
        "cancelled_without_surrender": subjects(unsurrendered.beneficiary, unsurrendered.year),
        "surrendered_without_cancellation": subjects(offsets.enterprise[uncancelled], offsets.year[uncancelled]),
    }
    return Credits(projects, issuances, later[0], cancellations, later[1], findings)


def draw_later(projects: Projects, issuances: Issuances, left: np.ndarray) -> tuple[Issuances, Cancellations]:
    """What the second stage brings: a fourth monitoring period of the new projects, and small voluntary cancellations."""
    project = np.flatnonzero(~projects.is_legacy & (projects.facility < 0))[:-1]
    start = projects.start[project] + 30 + PERIODS * 130
    later = Issuances(project, start, start + 119, 5_000 + 37 * project, np.repeat(np.datetime64("2026-08-10"), len(project)))
    given = np.flatnonzero(left > 1000)[:12]
    nobody = np.full(len(given), -1)
    day = np.datetime64("2026-08-20") + np.arange(len(given))
    return later, Cancellations(given, np.full(len(given), 500), day, nobody, nobody)


def write_projects(country: Country, projects: Projects, chosen: np.ndarray) -> pa.Table:
    rows = projects.take(chosen)
    facilities = pa.array(name_facilities(np.maximum(rows.facility, 0)), mask=rows.facility < 0)
    names = np.char.add(np.char.add("示范减排项目-", np.char.zfill(chosen.astype(str), 4)), "（合成）")
    return pa.table(
        {
            "project_id": pa.array(name_all("PRJ", chosen)),
            "project_name": pa.array(names),
            "owner_id": country.enterprise_ids.take(pa.array(rows.owner)),
            "methodology_code": pa.array(rows.methodology),
            "province_code": pa.array(country.provinces[rows.owner]),
            "registered_on": pa.array(rows.registered, pa.date32()),
            "crediting_start": pa.array(rows.start, pa.date32()),
            "crediting_end": pa.array(rows.end, pa.date32()),
            "estimated_annual_t_co2e": pa.array(20_000 + 1_000 * (chosen % 50)),
            "facility_id": facilities,
        }
    )


def write_issuances(rows: Issuances, first_number: int) -> pa.Table:
    return pa.table(
        {
            "issuance_id": pa.array(name_all("ISS", first_number + np.arange(len(rows)))),
            "project_id": pa.array(name_all("PRJ", rows.project)),
            "monitoring_start": pa.array(rows.start, pa.date32()),
            "monitoring_end": pa.array(rows.end, pa.date32()),
            "quantity_t_co2e": pa.array(rows.quantity),
            "issued_on": pa.array(rows.day, pa.date32()),
        }
    )


def write_cancellations(country: Country, rows: Cancellations, first_number: int) -> pa.Table:
    offset = rows.beneficiary >= 0
    return pa.table(
        {
            "cancellation_id": pa.array(name_all("CAN", first_number + np.arange(len(rows)))),
            "issuance_id": pa.array(name_all("ISS", rows.issuance)),
            "quantity_t_co2e": pa.array(rows.quantity),
            "cancelled_on": pa.array(rows.day, pa.date32()),
            "purpose": pa.array(np.where(offset, "ets_offset", "voluntary")),
            "beneficiary_id": country.enterprise_ids.take(pa.array(np.maximum(rows.beneficiary, 0), mask=~offset)),
            "compliance_year": pa.array(np.array(YEARS)[np.maximum(rows.year, 0)], mask=~offset),
        }
    )
