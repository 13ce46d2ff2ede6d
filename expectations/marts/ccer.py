"""What must hold between the CCER marts and the landed registry rows behind them (methods M8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_keys, check_present

# Findings may rightly be none at all, so that mart is held to its own checks and not to being filled.
MARTS = ("ccer__ledger",)
FED_BY = ("ccer_issuance",)

_KEYS = {"ccer__ledger": ("issuance_id",), "ccer__findings": ("rule_code", "subject_id")}
_FIGURES = {"ccer__ledger": ("issued_t_co2e", "cancelled_ets_offset_t_co2e", "cancelled_voluntary_t_co2e", "balance_t_co2e")}


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


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys({"ccer__ledger": _KEYS["ccer__ledger"]}),
        check_present(_FIGURES),
        _check_conserved(limits),
        _check_offsets(limits),
        _check_findings(),
        check_emptied(MARTS, columns, limits),
    ]
