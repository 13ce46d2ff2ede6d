"""Questions that several sources are asked about a delivery beside its predecessor, each put in the source's own words and figures.

Every query reads `delivery.landing` and `delivery.previous`. A delivery of duplicates alone has no landed row, and two deliveries may share
nothing: then nothing is examined, which the gate counts by itself (structure.py, conservation) and says (`nothing_compared`).
"""

from __future__ import annotations

from collections.abc import Sequence

from expectations.check import Check, Limits, list_examples

_LOCAL_DAY_OF_RECEIPT = "cast(_received_at + interval 8 hour as date)"  # Asia/Shanghai, as the dates of the contracts


def count_broken(code: str, rows: str, condition: str, shown: str) -> Check:
    """How many of some rows do not hold to a condition; one that is unknown does not hold."""
    broken = f"({condition}) is not true"
    return Check(
        code,
        f"select count(*) as examined, count(*) filter (where {broken}) as broken, {list_examples(shown, broken)} as evidence from {rows}",
        may_be_empty=True,
    )


def check_known_by_receipt(day: str, name: str) -> Check:
    """Nothing is dated after the day on which it was received."""
    return count_broken(
        "dated_after_receipt",
        "delivery.landing",
        f"{day} <= {_LOCAL_DAY_OF_RECEIPT}",
        f"{name} || ': ' || {day} || ', received ' || {_LOCAL_DAY_OF_RECEIPT}",
    )


def check_newest(code: str, limits: Limits, day: str) -> Check:
    """The newest day of a delivery lies at most so many days before its receipt; a correction of some old rows is no report."""
    days, at_least = limits.value(code, "days"), limits.value(code, "at_least")
    return count_broken(
        code,
        f"(select max({day}) as newest, max({_LOCAL_DAY_OF_RECEIPT}) as received from delivery.landing having count(*) >= {at_least:g})",
        f"received - newest <= {days!r}",
        "'newest ' || newest || ', received ' || received",
    )


def check_scale(code: str, limits: Limits, key: Sequence[str], amount: str) -> Check:
    """The middle one of the ratios now to before, of what both deliveries have under one key: a slip of units moves all of them alike.

    A warning wherever it is used: the delivery that corrects such a slip looks the same, and stopping it would make the wrong one last.
    A key that stands several times on a side (other months, other years) enters with its median. Amounts of zero say nothing of the scale.
    """
    ratio, at_least = limits.value(code, "ratio"), limits.value(code, "at_least")
    names = ", ".join(key)
    side = f"select {names}, median(cast({amount} as double)) as amount from {{}} where {amount} > 0 group by {names}"
    return Check(
        code,
        f"select examined, case when examined > 0 and (middle between 1.0 / {ratio!r} and {ratio!r}) is not true then examined else 0 end"
        " as broken, 'median ratio to the last delivery ' || round(middle, 6) || ' over ' || common as evidence"
        f" from (select count(*) as common, median(now.amount / before.amount) as middle, case when count(*) >= {at_least:g} then count(*)"
        f" else 0 end as examined from ({side.format('delivery.landing')}) as now"
        f" join ({side.format('delivery.previous')}) as before using ({names}))",
        may_be_empty=True,
    )


def check_members(code: str, limits: Limits, group: Sequence[str], period: str, member: str) -> Check:
    """Where a delivery brings a newer period of a group, as many members as the last delivery had in its newest, less a share.

    A correction of some rows of a known period is no newer period, and loses nobody.
    """
    share, at_least = limits.value(code, "share"), limits.value(code, "at_least")
    names = ", ".join(group)
    newest = (
        f"select {names}, {period} as period, count(distinct {member}) as members from {{0}}"
        f" join (select {names}, max({period}) as newest from {{0}} group by {names}) using ({names})"
        f" where {period} = newest group by {names}, {period}"
    )
    shown = f"concat_ws(' ', {', '.join(f'{name}' for name in group)}) || ': ' || before.members || ' -> ' || now.members"
    return count_broken(
        code,
        f"({newest.format('delivery.landing')}) as now join ({newest.format('delivery.previous')}) as before using ({names})"
        f" where now.period > before.period and before.members >= {at_least:g}",
        f"now.members >= {share!r} * before.members",
        shown,
    )


def check_share(code: str, limits: Limits, part: str, shown: str) -> Check:
    """The share of the landed rows for which something is true is at most so large, once there are enough rows to speak of a share."""
    share, at_least = limits.value(code, "share"), limits.value(code, "at_least")
    broken = f"case when total >= {at_least:g} and (found / total <= {share!r}) is not true then found else 0 end"
    return Check(
        code,
        f"select case when total >= {at_least:g} then total else 0 end as examined, {broken} as broken,"
        f" found || ' of ' || total || ' rows: ' || coalesce(examples, '') as evidence"
        f" from (select count(*) as total, count(*) filter (where ({part}) is not false) as found,"
        f" {list_examples(shown, f'({part}) is not false')} as examples from delivery.landing)",
        may_be_empty=True,
    )
