"""The registers of the policy instruments, drawn together because they speak of one another, and split into the two stages' files."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country, Split
from warehouse.demonstration.deliveries import MixedFile, write_clean
from warehouse.demonstration.facts import YEARS
from warehouse.demonstration.files import Stage, read_as_text
from warehouse.demonstration.instruments.approvals import make_approvals
from warehouse.demonstration.instruments.certificates import make_certificates
from warehouse.demonstration.instruments.compliance import (
    FacilityYears,
    draw_facility_years,
    draw_surrenders,
    write_facility_years,
    write_surrenders,
)
from warehouse.demonstration.instruments.credits import draw_credits, write_cancellations, write_issuances, write_projects
from warehouse.demonstration.instruments.faults import spoil_instruments
from warehouse.demonstration.instruments.lending import make_loans
from warehouse.demonstration.instruments.measurements import make_credit_trades, make_readings
from warehouse.demonstration.instruments.progress import make_labels, make_standards, make_tasks
from warehouse.demonstration.truth import Truth

FIRST_DAY, SECOND_DAY = "2026-07-02", "2026-10-12"
SUFFIX = "_synthetic"
RESTATED = 3
# Stored rows that stand beside the faults of a file.
PADDING = 40


@dataclass(frozen=True)
class Registers:
    """What each source sends in the first stage and in the second, and what the findings must name."""

    tables: dict[str, tuple[pa.Table, pa.Table]]
    findings: dict[str, list[str]]

    def write_first(self, stage: Stage, truth: Truth, file_format: str) -> None:
        truth.findings |= self.findings
        for source, (table, _) in self.tables.items():
            write_clean(table, stage, truth, (FIRST_DAY, source, SUFFIX), file_format)

    def write_second(self, stage: Stage, truth: Truth) -> None:
        stored = {source: read_as_text(table.slice(0, PADDING)) for source, (table, _) in self.tables.items()}
        faults = spoil_instruments(stored)
        for source, (_, table) in self.tables.items():
            MixedFile(source, SECOND_DAY, read_as_text(table), faults[source], stored[source], suffix=SUFFIX).write(stage, truth)


def draw_registers(country: Country, split: Split) -> Registers:
    def draw(number: int) -> np.random.Generator:
        # A stream of its own for every register: one more draw in one leaves the others as they are.
        return np.random.default_rng([country.seed, 10 + number])

    facility_years = draw_facility_years(country, draw(0))
    surrenders, early, above = draw_surrenders(country, facility_years, draw(1))
    credits = draw_credits(country, facility_years, surrenders, draw(2))
    approvals, later_approvals = make_approvals(country, draw(3))
    certificates, later_certificates, claims = make_certificates(country, credits, draw(4))
    everyone = np.arange(len(credits.projects))
    ids = country.enterprise_ids.take(pa.array(surrenders.enterprise[above])).to_pylist()
    excess = sorted(f"{code}|{YEARS[year]}" for code, year in zip(ids, surrenders.year[above], strict=True))
    tables = {
        "ets_facility_year": (
            write_facility_years(country, facility_years),
            write_facility_years(country, restate(facility_years)),
        ),
        "ets_surrender": (write_surrenders(country, surrenders, 0), write_surrenders(country, early, len(surrenders))),
        "ccer_project": (
            write_projects(country, credits.projects, everyone),
            restate_projects(write_projects(country, credits.projects, everyone[:1])),
        ),
        "ccer_issuance": (write_issuances(credits.issuances, 0), write_issuances(credits.later_issuances, len(credits.issuances))),
        "ccer_cancellation": (
            write_cancellations(country, credits.cancellations, 0),
            write_cancellations(country, credits.later_cancellations, len(credits.cancellations)),
        ),
        "green_certificate": (certificates, later_certificates),
        "eia_project": (approvals, later_approvals),
        "loan": make_loans(country, approvals, draw(5)),
        "pcf_standard": make_standards(country, draw(6)),
        "label_certificate": make_labels(country, split, draw(7)),
        "policy_task": make_tasks(draw(8)),
        "market_trade": make_credit_trades(country, draw(9)),
        "meter_reading": make_readings(country, draw(11)),
    }
    return Registers(tables, credits.findings | {"offset_above_cap": excess, "double_claim_gec": claims})


def restate(rows: FacilityYears) -> FacilityYears:
    """A few facilities of the newest year again, verified a little higher."""
    chosen = np.flatnonzero(rows.year == len(YEARS) - 1)[:RESTATED]
    taken = rows.take(chosen)
    return replace(taken, verified=np.rint(taken.verified * 1.01))


def restate_projects(table: pa.Table) -> pa.Table:
    return table.set_column(8, "estimated_annual_t_co2e", pa.array([19_000] * table.num_rows))
