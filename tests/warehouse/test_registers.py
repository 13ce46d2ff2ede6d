"""Registers, accounts and market of random streams: every planted violation is found, nothing else is, and the rest adds up to the last digit."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from warehouse.settings import ROOT, Settings
from warehouse.world import judge_world, read_world

from .planted_streams import YEAR, Streams, plan_streams, write_world

pytestmark = [pytest.mark.xdist_group("registers"), pytest.mark.slow]
SEED = 20260115


@dataclass(frozen=True)
class Outcome:
    """The plan, the verdicts and an open release."""

    streams: Streams
    verdicts: dict[str, Any]
    marts: duckdb.DuckDBPyConnection


def read_sessions() -> list[date]:
    with (ROOT / "dbt_project/seeds/reference/trading_day.csv").open(encoding="utf-8") as stream:
        days = [date.fromisoformat(row["trade_date"]) for row in csv.DictReader(stream)]
    return [day for day in days if date(2025, 1, 1) <= day <= date(2025, 12, 31)]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One world of only registers and markets through landing, build, gates and release."""
    folder, out = tmp_path_factory.mktemp("streams"), tmp_path_factory.mktemp("judged")
    streams = plan_streams(SEED, read_sessions())
    judged = judge_world(read_world(write_world(streams, folder)), out, Settings(data=out / "data", threads=2), datetime(2026, 2, 1))
    assert judged.release_id is not None, [gate for gate in judged.gates if not gate["success"]]
    with duckdb.connect(str(out / "release.duckdb"), read_only=True) as connection:
        yield Outcome(streams, json.loads((out / "verdicts.json").read_text(encoding="utf-8")), connection)


def state_scores(found: set[Any], planted: set[Any]) -> tuple[float, float]:
    """Precision and recall; none of either is a failure, not a success."""
    assert found and planted
    return len(found & planted) / len(found), len(found & planted) / len(planted)


def test_landing_refuses_exactly_the_planted_rows(outcome: Outcome) -> None:
    planted = outcome.streams.refused
    found = {(row["source"], int(row["file"].split(".")[0]), row["row_number"]): row["rules"] for row in outcome.verdicts["rows"]}
    assert state_scores(set(found), set(planted)) == (1.0, 1.0)
    assert not {place: (rule, found[place]) for place, rule in planted.items() if f"{place[0]}.{rule}" not in found[place]}
    assert len(set(planted.values())) >= 12, "each kind of violation is planted"
    sent = sum(len(rows) for rows in outcome.streams.rows.values())
    counts = outcome.verdicts["sources"].values()
    assert sum(row["received"] for row in counts) == sent
    assert sum(row["accepted"] for row in counts) == sent - len(planted)


def test_findings_are_exactly_those_planted(outcome: Outcome) -> None:
    rows = outcome.marts.execute("select rule_code, subject_id, quantity_t_co2e, evidence from marts.ccer__findings").fetchall()
    found = {(rule, subject): quantity for rule, subject, quantity, _ in rows}
    planted = outcome.streams.findings
    assert state_scores(set(found), set(planted)) == (1.0, 1.0)
    assert len({rule for rule, _ in planted}) == 7, "every rule"
    assert {key: quantity for key, quantity in found.items() if quantity != planted[key]} == {}
    assert all(json.loads(evidence) for *_, evidence in rows)


def test_register_is_conserved_at_every_event(outcome: Outcome) -> None:
    told: dict[str, list[tuple[str, Decimal, Decimal, Decimal]]] = {}
    query = (
        "select issuance_id, case event_kind when 'issued' then 'issued' else event_id end, change_t_co2e, balance_before_t_co2e,"
        " balance_after_t_co2e from marts.ccer__ledger_events order by issuance_id, event_rank"
    )
    for issuance, *event in outcome.marts.execute(query).fetchall():
        told.setdefault(issuance, []).append(tuple(event))
    assert set(told) == set(outcome.streams.events)
    imbalance = Decimal(0)
    for issuance, events in told.items():
        assert dict(outcome.streams.events[issuance]) == {name: change for name, change, _, _ in events}
        balance = Decimal(0)
        for _, change, before, after in events:
            imbalance += abs(before - balance) + abs(after - before - change)
            balance = after
            assert balance >= 0
    assert imbalance == 0
    assert sum(map(len, told.values())) > 1000
    left = outcome.marts.execute("select issuance_id, balance_t_co2e from marts.ccer__ledger").fetchall()
    assert dict(left) == {
        issuance: sum((change for _, change in events), Decimal(0)) for issuance, events in outcome.streams.events.items()
    }


def test_accounts_add_up_to_the_last_digit(outcome: Outcome) -> None:
    names = list(next(iter(outcome.streams.positions.values())))
    rows = outcome.marts.execute(
        f"select enterprise_id, position_status, {', '.join(names)} from marts.ets__positions_by_year where compliance_year = {YEAR} and position_status <> 'no_data'"
    ).fetchall()
    told = {enterprise: (status, dict(zip(names, values, strict=True))) for enterprise, status, *values in rows}
    assert {enterprise: values for enterprise, (_, values) in told.items()} == outcome.streams.positions
    for status, values in told.values():
        met = values["surrendered_allowance_t_co2e"] + values["offset_counted_t_co2e"] >= values["obligation_t_co2e"]
        assert (status == "compliant") == met
    assert {status for status, _ in told.values()} == {"compliant", "outstanding"}


def test_market_days_are_turnover_over_volume(outcome: Outcome) -> None:
    rows = outcome.marts.execute(
        "select instrument, cast(trade_date as varchar), volume_t, turnover_cny, vwap_cny_per_t, has_conflict from marts.ets__prices_by_day"
    ).fetchall()
    told = {(instrument, day): (volume, turnover) for instrument, day, volume, turnover, *_ in rows}
    assert told == outcome.streams.days
    assert not any(conflict for *_, conflict in rows)
    worst = max(abs(vwap * volume / turnover - 1) for _, _, volume, turnover, vwap, _ in rows)
    assert worst < Decimal("1e-12"), "a ratio keeps twelve significant digits"
    years = outcome.marts.execute("select instrument, volume_t, turnover_cny from marts.ets__prices_by_year").fetchall()
    for instrument, volume, turnover in years:
        parts = [value for (name, _), value in outcome.streams.days.items() if name == instrument]
        assert (volume, turnover) == (sum(part[0] for part in parts), sum(part[1] for part in parts))
