"""Drift of single trades, and instants that cannot be right."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_share, count_broken
from ingest.contract import Contract

_LOCAL = "(traded_at + interval 8 hour)"  # stored in UTC


def _check_price(limits: Limits) -> Check:
    """From the last listed price of the delivery before to the first of this one; block trades are far off it by design."""
    share = limits.value("price_jumped", "share")
    ends = (
        "select market, instrument, arg_{0}(price_cny_per_t, (traded_at, trade_id))::double as price, {0}(traded_at) as moment"
        " from {1} where trade_method = 'listed' group by market, instrument"
    )
    return count_broken(
        "price_jumped",
        f"({ends.format('min', 'delivery.landing')}) as now join ({ends.format('max', 'delivery.previous')}) as before"
        " using (market, instrument) where now.moment > before.moment",
        f"abs(now.price / before.price - 1) <= {share!r}",
        "market || ' ' || instrument || ': ' || round(before.price, 2) || ' -> ' || round(now.price, 2)",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    opens, closes = limits.value("out_of_hours", "opens_at"), limits.value("out_of_hours", "closes_at")
    hour = f"(extract(hour from {_LOCAL}) + extract(minute from {_LOCAL}) / 60.0)"
    return [
        _check_price(limits),
        check_share(
            "out_of_hours", limits, f"{hour} < {opens!r} or {hour} >= {closes!r}", f"trade_id || ' at ' || strftime({_LOCAL}, '%H:%M')"
        ),
        check_known_by_receipt(f"cast({_LOCAL} as date)", "trade_id"),
    ]
