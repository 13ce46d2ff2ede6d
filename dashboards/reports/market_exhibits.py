"""The carbon price of the release: CEA on the national market, else the instrument with the largest volume."""

from __future__ import annotations

from datetime import date

from dashboards.reports import charts
from dashboards.reports.exhibit import Exhibit, make_exhibit, make_table, put_number, put_price, put_share, put_text
from dashboards.reports.numbers import write_day, write_fixed, write_share
from dashboards.reports.release_file import Releases, Row
from dashboards.reports.wording import say

DAYS, YEARS = "ets__prices_by_day", "ets__prices_by_year"


def choose_instrument(releases: Releases) -> Row | None:
    return releases.read_one(
        f"""
        select market, instrument
        from now.{DAYS}
        group by market, instrument
        order by (market = 'CN-ETS' and instrument = 'CEA') desc, sum(volume_t) desc nulls last, market, instrument
        limit 1
        """
    )


def read_days(releases: Releases, chosen: Row) -> list[Row]:
    return releases.read(
        f"select * from now.{DAYS} where market = $1 and instrument = $2 and close_cny_per_t is not null order by trade_date",
        chosen["market"],
        chosen["instrument"],
    )


def build_price(releases: Releases) -> Exhibit:
    chosen = choose_instrument(releases)
    rows = read_days(releases, chosen) if chosen else []
    if not rows or chosen is None:
        return make_exhibit("price", say("price_none"), say("nothing_to_draw"), DAYS)
    last = rows[-1]
    high, low = max(rows, key=lambda row: row["close_cny_per_t"]), min(rows, key=lambda row: row["close_cny_per_t"])
    volatility = last["volatility_30d"]
    title = say(
        "price_finding" if last["close_cny_per_t"] < high["close_cny_per_t"] else "price_finding_peak",
        instrument=chosen["instrument"],
        day=last["trade_date"],
        close=write_fixed(last["close_cny_per_t"], 2),
        below=write_share(1 - last["close_cny_per_t"] / high["close_cny_per_t"]),
        peak_day=high["trade_date"],
        volatility=write_share(volatility),
    )
    note = say(
        "price_note",
        first=rows[0]["trade_date"],
        days=len(rows),
        carried=sum(bool(row["is_carried"]) for row in rows),
        conflicts=sum(bool(row["has_conflict"]) for row in rows),
        low=write_fixed(low["close_cny_per_t"], 2),
        low_day=low["trade_date"],
    )
    source = f"{DAYS}, {YEARS} (market = {chosen['market']}, instrument = {chosen['instrument']})"
    table = make_table(
        [say(f"column_{c}") for c in ("year", "vwap", "close", "high", "low", "volume", "turnover")],
        [
            [
                put_text(year["year"]),
                *(put_price(year[f"{name}_cny_per_t"]) for name in ("vwap", "close", "high", "low")),
                put_number(year["volume_t"]),
                put_number(year["turnover_cny"]),
            ]
            for year in read_price_years(releases, chosen)
        ],
    )
    drawn = thin_out(rows)
    return make_exhibit(
        "price",
        title,
        note,
        source,
        lambda language: charts.draw_price(drawn, language),
        table=table,
        is_table_open=bool(table.rows),
        drawn=make_table(
            [say("column_day"), say("price_panel_close"), say("price_panel_volatility")],
            [
                [put_text(write_day(day["trade_date"])), put_price(day["close_cny_per_t"]), put_share(day["volatility_30d"])]
                for day in drawn
            ],
        ),
    )


def read_price_years(releases: Releases, chosen: Row) -> list[Row]:
    return releases.read(
        f"select * from now.{YEARS} where market = $1 and instrument = $2 order by year", chosen["market"], chosen["instrument"]
    )


def thin_out(rows: list[Row], limit: int = 2600) -> list[Row]:
    """Above ten years of trading days one point per week is drawn, its last: a pixel shows no more. The last day always stays."""
    if len(rows) <= limit:
        return rows
    weeks: dict[tuple[int, int], Row] = {}
    for row in rows:
        day: date = row["trade_date"]
        weeks[day.isocalendar()[:2]] = row
    return list(weeks.values())
