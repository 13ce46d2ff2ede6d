"""Money and tonnes of the acceptance world computed again in Decimal from the landed rows: what is added up agrees to the last digit,
what a product or a ratio gives to twelve significant digits (contracts.md)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

Rows = list[tuple[Any, ...]]
ZERO = Decimal(0)
DERIVED = Decimal("1e-12")


def ask(warehouse: Path, query: str) -> Rows:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def add_up(rows: Rows) -> dict[tuple[Any, ...], list[Decimal]]:
    """Sums of the Decimal cells at the end of rows, by the cells before them."""
    sums: dict[tuple[Any, ...], list[Decimal]] = {}
    for row in rows:
        amounts = [cell for cell in row if isinstance(cell, Decimal)]
        kept = sums.setdefault(tuple(cell for cell in row if not isinstance(cell, Decimal)), [ZERO] * len(amounts))
        sums[tuple(cell for cell in row if not isinstance(cell, Decimal))] = [a + b for a, b in zip(kept, amounts, strict=True)]
    return sums


def is_near(told: Decimal | None, expected: Decimal | None) -> bool:
    if told is None or expected is None:
        return told is expected
    return abs(told - expected) <= DERIVED * max(abs(expected), Decimal("0.000001"))


@pytest.fixture(scope="module")
def facility_years(world_warehouse: Path) -> Rows:
    """Newest delivery of each facility, year and category: market, enterprise, year, sector, verified, allocated."""
    rows = ask(
        world_warehouse,
        "select market, facility_id, compliance_year, benchmark_category, enterprise_id, sector, verified_t_co2e, allocated_t_co2e"
        " from landing.ets_facility_year order by _received_at, _sequence, _row_number",
    )
    newest = {row[:4]: row for row in rows}
    return [(market, enterprise, year, sector, v, a) for market, _, year, _, enterprise, sector, v, a in newest.values()]


def test_no_column_of_money_or_allowances_is_a_binary_float(world_warehouse: Path) -> None:
    rows = ask(
        world_warehouse,
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'marts' and regexp_matches(column_name,"
        " '(_cny|_cny_per_t|_cny_per_declared_unit)$') and column_name not like '%_per_million_cny' or (schema_name = 'marts' and column_name ~ '.*_t_co2e$'"
        " and regexp_matches(table_name, '^(ets|ccer)__'))",
    )
    assert len(rows) > 60
    assert not [row for row in rows if not row[2].startswith("DECIMAL")]


def test_year_prices_are_added_up_from_the_landed_market(world_warehouse: Path) -> None:
    quoted = "select distinct market, instrument, trade_method, trade_date from landing.market_quote"
    sums = add_up(
        ask(
            world_warehouse,
            "select market, instrument, year(trade_date)::varchar, volume_t, turnover_cny from landing.market_quote union all"
            " select market, instrument, year((traded_at + interval 8 hour)::date)::varchar, volume_t, turnover_cny from landing.market_trade t"
            f" where not exists (from ({quoted}) q where q.market = t.market and q.instrument = t.instrument"
            " and q.trade_method = t.trade_method and q.trade_date = (t.traded_at + interval 8 hour)::date)",
        )
    )
    told = ask(
        world_warehouse, "select market, instrument, year::varchar, volume_t, turnover_cny, vwap_cny_per_t from marts.ets__prices_by_year"
    )
    assert {row[:3]: list(row[3:5]) for row in told} == sums
    assert told and all(is_near(vwap, turnover / volume if volume else None) for *_, volume, turnover, vwap in told)


def test_positions_are_added_up_from_the_landed_accounts(world_warehouse: Path, facility_years: Rows) -> None:
    rules = {
        (market, sector, year): (share, gap)
        for market, sector, year, share, gap in ask(
            world_warehouse,
            "select market, sector, compliance_year, ccer_offset_share::varchar, gap_cap_share::varchar from reference.ets_rule",
        )
    }
    owed: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [ZERO] * 4)
    for (market, enterprise, year, sector), (verified, allocated) in add_up(facility_years).items():
        share, gap = rules.get((market, sector, year), ("0", None))
        obligation = verified if gap is None else min(verified, allocated + Decimal(gap) * verified)
        parts = (verified, allocated, obligation, Decimal(share) * obligation)
        owed[market, enterprise, year] = [a + b for a, b in zip(owed[market, enterprise, year], parts, strict=True)]
    given: dict[tuple[Any, ...], dict[str, Decimal]] = defaultdict(lambda: {"allowance": ZERO, "offset": ZERO})
    for market, enterprise, year, kind, quantity in ask(
        world_warehouse, "select market, enterprise_id, compliance_year, instrument_kind, quantity_t_co2e from landing.ets_surrender"
    ):
        given[market, enterprise, year][kind] += quantity
    told = ask(
        world_warehouse,
        "select market, enterprise_id, compliance_year, verified_t_co2e, allocated_t_co2e, obligation_t_co2e, offset_cap_t_co2e,"
        " surrendered_allowance_t_co2e, surrendered_offset_t_co2e, offset_counted_t_co2e, outstanding_t_co2e, price_cny_per_t, cost_cny,"
        " surplus_value_cny from marts.ets__positions_by_year where position_status <> 'no_data'",
    )
    assert {row[:3] for row in told} == set(owed)
    assert len(told) > 50
    for market, enterprise, year, *figures in told:
        key = market, enterprise, year
        verified, allocated, obligation, cap = owed[key]
        counted = min(given[key]["offset"], cap)
        left = max(round(obligation - given[key]["allowance"] - counted, 6), ZERO)
        assert figures[:8] == [verified, allocated, obligation, cap, given[key]["allowance"], given[key]["offset"], counted, left], key
        price, cost, surplus = figures[8:]
        if price is not None:
            assert is_near(cost, max(obligation - allocated, ZERO) * price), key
            assert is_near(surplus, max(allocated - obligation, ZERO) * price), key


def test_ledger_is_added_up_from_the_landed_register(world_warehouse: Path) -> None:
    cancelled = add_up(ask(world_warehouse, "select issuance_id, purpose, quantity_t_co2e from landing.ccer_cancellation"))
    told = ask(
        world_warehouse,
        "select issuance_id, issued_t_co2e, cancelled_ets_offset_t_co2e, cancelled_voluntary_t_co2e, balance_t_co2e from marts.ccer__ledger",
    )
    landed = ask(world_warehouse, "select issuance_id, quantity_t_co2e from landing.ccer_issuance")
    assert {row[0]: row[1] for row in told} == {row[0]: row[1] for row in landed}
    for issuance, issued, offset, voluntary, balance in told:
        expected = [cancelled.get((issuance, purpose), [ZERO])[0] for purpose in ("ets_offset", "voluntary")]
        assert [offset, voluntary, balance] == [*expected, issued - sum(expected)], issuance


def test_portfolios_are_added_up_from_the_landed_loans(world_warehouse: Path) -> None:
    rows = ask(
        world_warehouse,
        "select bank_id, loan_id, as_of::varchar, outstanding_cny from landing.loan order by _received_at, _sequence, _row_number",
    )
    newest = {row[:3]: row for row in rows}
    sums = add_up([(bank, day, amount) for bank, _, day, amount in newest.values()])
    told = ask(world_warehouse, "select bank_id, as_of::varchar, outstanding_cny from marts.finance__portfolios")
    assert {row[:2]: [row[2]] for row in told} == sums


def test_stress_costs_are_price_times_what_is_not_free(world_warehouse: Path) -> None:
    told = ask(
        world_warehouse,
        "select s.price_cny_per_t, s.free_allocation_share::varchar, b.emissions_t_co2e, e.allocated_t_co2e, s.extra_cost_cny"
        " from marts.finance__stress_tests s join marts.finance__borrowers b using (bank_id, borrower_id, as_of)"
        " join intermediate.int_finance__emissions_estimated e on e.borrower_id = s.borrower_id and e.loan_year = year(s.as_of)",
    )
    charged = 0
    for price, share, emissions, allocated, cost in told:
        if emissions is None:
            assert cost is None
            continue
        base = emissions if allocated is None else Decimal(str(allocated))
        expected = price * max(ZERO, emissions - Decimal(share) * base)
        # The difference of two near figures keeps the places of the larger one.
        assert abs(cost - expected) <= DERIVED * price * max(emissions, base), (cost, expected)
        charged += expected > 0
    assert charged > 100
