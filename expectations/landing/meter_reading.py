"""Meters whose scale moved, whose intervals have gaps, or that stand still. A row alone shows none of it."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_scale, count_broken
from ingest.contract import Contract


def _check_gaps(limits: Limits) -> Check:
    """A meter's longest step between readings beside its usual one, from the last reading of the delivery before on."""
    code = "readings_missing"
    times, at_least = limits.value(code, "times"), limits.value(code, "at_least")
    readings = (
        "select meter_id, read_at from delivery.landing union all"
        " select meter_id, max(read_at) from delivery.previous semi join delivery.landing using (meter_id) group by meter_id"
    )
    return count_broken(
        code,
        "(select meter_id, median(step) as usual, max(step) as longest, arg_max(read_at, step) as ended_at from (select meter_id, read_at,"
        f" epoch(read_at) - epoch(lag(read_at) over (partition by meter_id order by read_at)) as step from ({readings}))"
        f" where step is not null group by meter_id having count(*) >= {at_least:g})",
        f"longest <= {times!r} * usual",
        "meter_id || ': ' || round(longest / usual, 1) || ' usual intervals before ' || ended_at || ' UTC'",
    )


def _check_standing(limits: Limits) -> Check:
    at_least = limits.value("standing_still", "at_least")
    return count_broken(
        "standing_still",
        f"(select meter_id, count(*) as readings, min(quantity) as low, max(quantity) as high from delivery.landing group by meter_id"
        f" having count(*) >= {at_least:g} and max(quantity) > 0)",
        "low < high",
        "meter_id || ': ' || readings || ' readings of ' || high",
    )


def _check_meters(limits: Limits) -> Check:
    code = "meters_lost"
    share, at_least = limits.value(code, "share"), limits.value(code, "at_least")
    return count_broken(
        code,
        "(select count(*) as meters, count(now.meter_id) as still from (select distinct meter_id from delivery.previous) as before"
        " left join (select distinct meter_id from delivery.landing) as now using (meter_id)"
        " where (select max(read_at) from delivery.landing) > (select max(read_at) from delivery.previous)"
        f" having count(*) >= {at_least:g})",
        f"still >= {share!r} * meters",
        "still || ' of ' || meters || ' meters of the last delivery still read'",
    )


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        check_scale("amounts_rescaled", limits, ["meter_id", "unit"], "quantity"),
        _check_gaps(limits),
        _check_standing(limits),
        _check_meters(limits),
        check_known_by_receipt("cast(read_at + interval 8 hour as date)", "meter_id"),
    ]
