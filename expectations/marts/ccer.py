"""What must hold between the CCER marts and the landed registry rows behind them (methods M8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_keys, check_present

# Findings may rightly be none at all, so that mart is held to its own checks and not to being filled.
MARTS = ("ccer__ledger", "ccer__ledger_events", "ccer__offset_eligibilities")
FED_BY = ("ccer_issuance",)

# Findings and uses may rightly be none at all: a key check of an empty mart would fail.
_KEYS = {
    "ccer__ledger": ("issuance_id",),
    "ccer__ledger_events": ("issuance_id", "event_rank"),
    "ccer__offset_eligibilities": ("issuance_id",),
}
_FIGURES = {
    "ccer__ledger": ("issued_t_co2e", "cancelled_ets_offset_t_co2e", "cancelled_voluntary_t_co2e", "balance_t_co2e"),
    "ccer__ledger_events": ("event_kind", "event_id", "change_t_co2e", "balance_before_t_co2e", "balance_after_t_co2e"),
    "ccer__offset_eligibilities": ("eligibility_status", "usable_t_co2e"),
}


def _check_conserved(limits: Limits) -> Check:
    tolerance = limits.value("credits_conserved", "tolerance_t_co2e")
    cancelled = (
        "select issuance_id, coalesce(sum(quantity_t_co2e) filter (where purpose = 'ets_offset'), 0) as offset_t,"
        " coalesce(sum(quantity_t_co2e) filter (where purpose = 'voluntary'), 0) as voluntary_t"
        " from landing.ccer_cancellation group by issuance_id"
    )
    rows = (
        f"landing.ccer_issuance as issued left join ({cancelled}) as cancelled on issued.issuance_id = cancelled.issuance_id"
        " full join marts.ccer__ledger as ledger on issued.issuance_id = ledger.issuance_id"
    )
    condition = (
        f"(abs(ledger.issued_t_co2e - issued.quantity_t_co2e) <= {tolerance!r}"
        f" and abs(ledger.cancelled_ets_offset_t_co2e - coalesce(cancelled.offset_t, 0)) <= {tolerance!r}"
        f" and abs(ledger.cancelled_voluntary_t_co2e - coalesce(cancelled.voluntary_t, 0)) <= {tolerance!r}"
        " and abs(ledger.issued_t_co2e - ledger.cancelled_ets_offset_t_co2e - ledger.cancelled_voluntary_t_co2e"
        f" - ledger.balance_t_co2e) <= {tolerance!r} and ledger.balance_t_co2e >= -{tolerance!r}) is not true"
    )
    shown = "coalesce(issued.issuance_id, ledger.issuance_id) || ': balance ' || coalesce(ledger.balance_t_co2e::varchar, 'no row')"
    return count_broken("credits_conserved", condition, shown, rows)


def _check_offsets(limits: Limits) -> Check:
    """What the two findings say, one direction less the other, is what the two registers differ by."""
    tolerance = limits.value("offsets_reconciled", "tolerance_t_co2e")
    found = (
        "select coalesce(sum(case rule_code when 'cancelled_without_surrender' then quantity_t_co2e"
        " when 'surrendered_without_cancellation' then -quantity_t_co2e end), 0)::double from marts.ccer__findings"
    )
    cancelled = (
        "select coalesce(sum(quantity_t_co2e), 0)::double from landing.ccer_cancellation where purpose = 'ets_offset'"
        " and beneficiary_id is not null and compliance_year is not null"
    )
    surrendered = (
        "select coalesce(sum(quantity_t_co2e), 0)::double from landing.ets_surrender where market = 'CN-ETS' and instrument_kind = 'offset'"
    )
    rows = f"(select ({found}) as found, ({cancelled}) - ({surrendered}) as registered)"
    return count_broken(
        "offsets_reconciled",
        f"(abs(found - registered) <= {tolerance!r}) is not true",
        "'findings ' || found || ' t, registers ' || registered || ' t'",
        rows,
    )


def _check_findings() -> Check:
    condition = "(quantity_t_co2e > 0 and subject_id <> '' and rule_code <> '') is not true"
    shown = "coalesce(rule_code, 'no rule') || ' ' || coalesce(subject_id, 'no subject')"
    # Nothing found is the best case.
    return replace(count_broken("findings_say_how_much", condition, shown, "marts.ccer__findings"), may_be_empty=True)


def _check_events() -> Check:
    """Each event begins where the one before it ended, none goes below nothing, and the last one leaves what the ledger holds."""
    chained = (
        "select *, lag(balance_after_t_co2e, 1, 0) over (partition by issuance_id order by event_rank) as left_before,"
        " row_number() over (partition by issuance_id order by event_rank desc) = 1 as is_last from marts.ccer__ledger_events"
    )
    rows = f"({chained}) as event full join marts.ccer__ledger as ledger on event.issuance_id = ledger.issuance_id"
    condition = (
        "(event.balance_before_t_co2e = event.left_before and event.balance_after_t_co2e = event.balance_before_t_co2e + event.change_t_co2e"
        " and event.balance_after_t_co2e >= 0 and (event.event_rank = 1) = (event.event_kind = 'issued')"
        " and (event.change_t_co2e > 0) = (event.event_kind = 'issued')"
        " and (not event.is_last or event.balance_after_t_co2e = ledger.balance_t_co2e)) is not true"
    )
    shown = "coalesce(event.issuance_id || ' ' || event.event_id, ledger.issuance_id || ' has no event')"
    return count_broken("events_conserve", condition, shown, rows)


def _check_eligibilities() -> Check:
    rows = "marts.ccer__ledger as ledger full join marts.ccer__offset_eligibilities as mart on ledger.issuance_id = mart.issuance_id"
    condition = (
        "(mart.balance_t_co2e = ledger.balance_t_co2e"
        " and mart.usable_t_co2e = case when mart.eligibility_status = 'usable' then ledger.balance_t_co2e else 0 end) is not true"
    )
    return count_broken("usable_credits_are_left", condition, "coalesce(ledger.issuance_id, mart.issuance_id)", rows)


def _check_uses() -> Check:
    """The uses add up to both registers, to the last digit."""
    mart = (
        "select coalesce(sum(cancelled_ets_offset_t_co2e), 0) as cancelled, coalesce(sum(cancelled_voluntary_t_co2e), 0) as voluntary,"
        " coalesce(sum(surrendered_national_t_co2e), 0) as national, coalesce(sum(surrendered_elsewhere_t_co2e), 0) as elsewhere"
        " from marts.ccer__offset_uses_by_year"
    )
    cancelled = (
        "select coalesce(sum(quantity_t_co2e) filter (where purpose = 'ets_offset' and compliance_year is not null), 0) as landed_cancelled,"
        " coalesce(sum(quantity_t_co2e) filter (where purpose = 'voluntary'), 0) as landed_voluntary"
        " from landing.ccer_cancellation where beneficiary_id is not null"
    )
    surrendered = (
        "select coalesce(sum(quantity_t_co2e) filter (where market = 'CN-ETS'), 0) as landed_national,"
        " coalesce(sum(quantity_t_co2e) filter (where market <> 'CN-ETS'), 0) as landed_elsewhere"
        " from landing.ets_surrender where instrument_kind = 'offset'"
    )
    condition = (
        "(cancelled = landed_cancelled and voluntary = landed_voluntary and national = landed_national and elsewhere = landed_elsewhere)"
        " is not true"
    )
    shown = "'cancelled ' || cancelled || ' and ' || voluntary || ' t, surrendered ' || national || ' and ' || elsewhere || ' t'"
    return count_broken("uses_reconciled", condition, shown, f"({mart}) cross join ({cancelled}) cross join ({surrendered})")


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys(_KEYS),
        check_present(_FIGURES),
        _check_conserved(limits),
        _check_offsets(limits),
        _check_findings(),
        _check_events(),
        _check_eligibilities(),
        _check_uses(),
        check_emptied(MARTS, columns, limits),
    ]
