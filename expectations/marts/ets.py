"""What must hold between the market marts, the landed rows behind them and the last release (method M6)."""

from __future__ import annotations

from collections.abc import Mapping

from expectations.check import Check, Limits, count_broken, list_examples
from expectations.shape import check_emptied, check_filled, check_finite, check_keys, check_present, is_close

MARTS = ("ets__prices_by_day", "ets__prices_by_year")
FED_BY = ("market_quote", "market_trade")

_KEYS = {"ets__prices_by_day": ("market", "instrument", "trade_date"), "ets__prices_by_year": ("market", "instrument", "year")}
_FIGURES = {
    "ets__prices_by_day": ("close_cny_per_t", "volume_t", "turnover_cny", "is_carried", "is_from_trades", "has_conflict"),
    "ets__prices_by_year": ("close_cny_per_t", "high_cny_per_t", "low_cny_per_t", "volume_t", "turnover_cny"),
}


def _check_turnover(limits: Limits) -> Check:
    tolerance = limits.value("turnover_is_price_times_volume", "relative_tolerance")
    rows = " union all ".join(
        f"select market || ' ' || instrument || ' ' || {period} as name, vwap_cny_per_t::double as vwap, volume_t::double as volume,"
        f" turnover_cny::double as turnover from marts.{mart}"
        for mart, period in (("ets__prices_by_day", "trade_date"), ("ets__prices_by_year", "year"))
    )
    condition = (
        f"(case when volume = 0 then vwap is null and turnover = 0 else {is_close('vwap * volume', 'turnover', tolerance)} end) is not true"
    )
    shown = "name || ': ' || coalesce(vwap::varchar, 'null') || ' × ' || volume || ', turnover ' || turnover"
    return count_broken("turnover_is_price_times_volume", condition, shown, f"({rows})")


def _check_quotes(limits: Limits) -> Check:
    """Days that come from trades are added up from them and hold at least what was quoted."""
    tolerance = limits.value("days_match_quotes", "relative_tolerance")
    quoted = (
        "select market, instrument, trade_date, sum(volume_t)::double as volume, sum(turnover_cny)::double as turnover"
        " from landing.market_quote group by market, instrument, trade_date"
    )
    condition = (
        "(case when day.is_from_trades then day.volume_t >= coalesce(quoted.volume, 0)"
        " when quoted.trade_date is null then day.volume_t = 0 and day.turnover_cny = 0"
        f" else {is_close('day.volume_t::double', 'quoted.volume', tolerance)}"
        f" and {is_close('day.turnover_cny::double', 'quoted.turnover', tolerance)} end) is not true"
    )
    shown = (
        "coalesce(day.market || ' ' || day.instrument || ' ' || day.trade_date, quoted.market || ' ' || quoted.instrument || ' '"
        " || quoted.trade_date) || ': mart ' || coalesce(day.volume_t::varchar, 'no row') || ' t, quotes '"
        " || coalesce(quoted.volume::varchar, 'none')"
    )
    source = (
        f"marts.ets__prices_by_day as day full join ({quoted}) as quoted"
        " on day.market = quoted.market and day.instrument = quoted.instrument and day.trade_date = quoted.trade_date"
    )
    return count_broken("days_match_quotes", condition, shown, source)


def _check_year(limits: Limits) -> Check:
    tolerance = limits.value("year_is_sum_of_days", "relative_tolerance")
    days = (
        "select market, instrument, year(trade_date) as year, sum(volume_t)::double as volume, sum(turnover_cny)::double as turnover,"
        " arg_max(close_cny_per_t, trade_date)::double as last_close from marts.ets__prices_by_day group by all"
    )
    condition = (
        f"({is_close('years.volume_t::double', 'days.volume', tolerance)}"
        f" and {is_close('years.turnover_cny::double', 'days.turnover', tolerance)}"
        f" and {is_close('years.close_cny_per_t::double', 'days.last_close', tolerance)}) is not true"
    )
    shown = (
        "coalesce(years.market || ' ' || years.instrument || ' ' || years.year, days.market || ' ' || days.instrument || ' ' || days.year)"
        " || ': year ' || coalesce(years.volume_t::varchar, 'no row') || ' t, days ' || coalesce(days.volume::varchar, 'none')"
    )
    source = (
        f"marts.ets__prices_by_year as years full join ({days}) as days"
        " on years.market = days.market and years.instrument = days.instrument and years.year = days.year"
    )
    return count_broken("year_is_sum_of_days", condition, shown, source)


def _check_calendar() -> Check:
    spans = (
        "select market, instrument, min(trade_date) as first_day, max(trade_date) as last_day, count(*) as day_count"
        " from marts.ets__prices_by_day group by market, instrument"
    )
    expected = (
        f"select spans.*, (select count(*) from reference.trading_day as calendar where calendar.trade_date between first_day and last_day)"
        f" as trading_days, (select count(*) from marts.ets__prices_by_day as day join reference.trading_day as calendar using (trade_date)"
        " where day.market = spans.market and day.instrument = spans.instrument) as days_in_calendar"
        f" from ({spans}) as spans"
    )
    return count_broken(
        "trading_days_complete",
        "(day_count = trading_days and days_in_calendar = trading_days) is not true",
        "market || ' ' || instrument || ': ' || day_count || ' rows, ' || trading_days || ' trading days'",
        f"({expected})",
    )


def _check_carried() -> Check:
    return count_broken(
        "carried_has_no_volume",
        "(is_carried = (volume_t = 0)) is not true",
        "market || ' ' || instrument || ' ' || trade_date || ': ' || coalesce(volume_t::varchar, 'null') || ' t'",
        "marts.ets__prices_by_day",
    )


def _check_returns(limits: Limits) -> Check:
    tolerance = limits.value("returns_chain", "tolerance")
    days = (
        "select *, lag(close_cny_per_t::double) over (partition by market, instrument order by trade_date) as close_before"
        " from marts.ets__prices_by_day"
    )
    return count_broken(
        "returns_chain",
        "(case when close_before is null then log_return is null"
        f" else abs(log_return - ln(close_cny_per_t::double / close_before)) <= {tolerance!r} end) is not true",
        "market || ' ' || instrument || ' ' || trade_date || ': ' || coalesce(log_return::varchar, 'null')",
        f"({days})",
    )


def _check_prices() -> Check:
    return count_broken(
        "prices_ordered",
        "(low_cny_per_t > 0 and low_cny_per_t <= high_cny_per_t and close_cny_per_t > 0) is not true",
        "market || ' ' || instrument || ' ' || year || ': ' || coalesce(low_cny_per_t::varchar, 'null') || ' to '"
        " || coalesce(high_cny_per_t::varchar, 'null')",
        "marts.ets__prices_by_year",
    )


def _check_traded(limits: Limits) -> Check:
    share = limits.value("traded_days_share", "share")
    return Check(
        "traded_days_share",
        f"select total as examined, case when (traded >= {share!r} * total) is not true then total - traded else 0 end as broken,"
        f" traded || ' of ' || total || ' trading days of CN-ETS CEA saw trades, expected at least {share:.0%}' as evidence"
        " from (select count(*) as total, count(*) filter (where not is_carried) as traded from marts.ets__prices_by_day"
        " where market = 'CN-ETS' and instrument = 'CEA')",
        may_be_empty=True,  # a deployment may hold pilot markets only
    )


def _check_lost(limits: Limits) -> Check:
    share = limits.value("days_lost", "share")
    return Check(
        "days_lost",
        f"select total as examined, case when (lost <= {share!r} * total) is not true then lost else 0 end as broken,"
        " lost || ' of ' || total || ' market days of the last release are gone' as evidence"
        " from (select count(*) as total, count(*) filter (where now.trade_date is null) as lost"
        " from previous.ets__prices_by_day as before left join marts.ets__prices_by_day as now"
        " on before.market = now.market and before.instrument = now.instrument and before.trade_date = now.trade_date)",
        needs={"previous.ets__prices_by_day": _KEYS["ets__prices_by_day"]},
    )


def _check_published(limits: Limits) -> Check:
    share = limits.value("published_close_moved", "share")
    condition = f"(abs(now.close_cny_per_t::double / nullif(before.close_cny_per_t::double, 0) - 1) <= {share!r}) is not true"
    shown = (
        "now.market || ' ' || now.instrument || ' ' || now.trade_date || ': ' || coalesce(before.close_cny_per_t::varchar, 'null')"
        " || ' -> ' || coalesce(now.close_cny_per_t::varchar, 'null')"
    )
    return Check(
        "published_close_moved",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        " from previous.ets__prices_by_day as before join marts.ets__prices_by_day as now"
        " on before.market = now.market and before.instrument = now.instrument and before.trade_date = now.trade_date",
        needs={"previous.ets__prices_by_day": (*_KEYS["ets__prices_by_day"], "close_cny_per_t")},
    )


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys(_KEYS),
        check_finite(MARTS, columns),
        check_present(_FIGURES),
        _check_turnover(limits),
        _check_quotes(limits),
        _check_year(limits),
        _check_calendar(),
        _check_carried(),
        _check_returns(limits),
        _check_prices(),
        _check_traded(limits),
        _check_lost(limits),
        _check_published(limits),
        check_emptied(MARTS, columns, limits),
    ]
