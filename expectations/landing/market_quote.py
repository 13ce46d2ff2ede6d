"""Drift and gaps of market quotes. Only listed trades make a price series; block trades are far off it by design."""

from __future__ import annotations

from expectations.check import Check, Limits, list_examples
from ingest.contract import Contract


def _check_close(limits: Limits) -> Check:
    share = limits.value("close_jumped", "share")
    condition = f"(abs(now.price / before.price - 1) <= {share!r}) is not true"
    shown = (
        "now.market || ' ' || now.instrument || ': ' || round(before.price::double, 2) || ' on ' || before.day"
        " || ' -> ' || round(now.price::double, 2) || ' on ' || now.day"
    )
    ends = (
        "select market, instrument, arg_{0}(close_cny_per_t, trade_date)::double as price, {0}(trade_date) as day"
        " from {1} where trade_method = 'listed' group by market, instrument"
    )
    return Check(
        "close_jumped",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from ({ends.format('min', 'delivery.landing')}) as now join ({ends.format('max', 'delivery.previous')}) as before"
        " using (market, instrument) where now.day > before.day",
        may_be_empty=True,  # an instrument's first quotes, or a backfill of older days, follow no known close
    )


def _check_days(limits: Limits) -> Check:
    """Gaps of instruments that are quoted on nearly every day on which anything in the delivery is quoted.

    The trading calendar is a reference list of the deployment and not known here; the marts are held to it.
    """
    weekdays, daily_share = limits.value("days_missing", "weekdays"), limits.value("days_missing", "daily_share")
    condition = f"(missed_days = 0 and weekdays_between <= {weekdays!r}) is not true"
    shown = "market || ' ' || instrument || ': nothing between ' || day_before || ' and ' || trade_date"
    return Check(
        "days_missing",
        f"with listed as (select distinct market, instrument, trade_date from delivery.landing where trade_method = 'listed'),"
        " days as (select trade_date, row_number() over (order by trade_date) as day_number from (select distinct trade_date from listed)),"
        " steps as (select listed.*, day_number, lag(trade_date) over series as day_before, day_number - lag(day_number) over series - 1"
        " as missed_days from listed join days using (trade_date) window series as (partition by market, instrument order by trade_date)),"
        " daily as (select market, instrument from steps group by market, instrument"
        f" having count(*) / (max(day_number) - min(day_number) + 1) >= {daily_share!r}),"
        # Weekdays strictly between two days: whole weeks, and the weekdays of the rest.
        " gaps as (select steps.*, len(list_filter(generate_series(day_before + interval 1 day, trade_date - interval 1 day,"
        " interval 1 day), lambda day : isodow(day) < 6)) as weekdays_between from steps join daily using (market, instrument)"
        " where day_before is not null)"
        f" select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        " from gaps",
        may_be_empty=True,  # no instrument may be quoted daily
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [_check_close(limits), _check_days(limits)]
