"""What must hold between the green-credit marts and the landed loans behind them (methods M10)."""

from __future__ import annotations

from collections.abc import Mapping

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_finite, check_keys, check_present, is_close

MARTS = ("finance__borrowers", "finance__portfolios", "finance__stress_tests")
FED_BY = ("loan",)

_BORROWER = ("bank_id", "borrower_id", "as_of")
_CONDITIONS = ("has_good_tier", "has_valid_label", "is_ets_clear", "has_no_ccer_finding", "has_no_lagging_eia")
_KEYS = {
    "finance__borrowers": _BORROWER,
    "finance__portfolios": ("bank_id", "as_of"),
    "finance__stress_tests": (*_BORROWER, "price_cny_per_t", "free_allocation_share"),
}
_FIGURES = {
    "finance__borrowers": ("outstanding_cny", "pcaf_score", *_CONDITIONS, "is_eligible"),
    "finance__portfolios": ("borrower_count", "outstanding_cny"),
}


def _check_borrowers() -> Check:
    rows = (
        "(select distinct bank_id, borrower_id, as_of from landing.loan) as landed full join marts.finance__borrowers as mart"
        " on landed.bank_id = mart.bank_id and landed.borrower_id = mart.borrower_id and landed.as_of = mart.as_of"
    )
    # A restated loan may have changed its borrower: the former one then rightly has no row.
    return count_broken(
        "borrowers_lent_to",
        "landed.bank_id is null",
        "mart.bank_id || ' ' || mart.borrower_id || ' ' || mart.as_of || ' never landed'",
        rows,
    )


def _check_portfolios(limits: Limits) -> Check:
    tolerance = limits.value("portfolio_is_sum_of_borrowers", "relative_tolerance")
    borrowers = (
        "select bank_id, as_of, count(*) as borrowers, sum(outstanding_cny)::double as outstanding,"
        " coalesce(sum(financed_t_co2e), 0)::double as financed from marts.finance__borrowers group by bank_id, as_of"
    )
    rows = (
        f"({borrowers}) as parts full join marts.finance__portfolios as mart on parts.bank_id = mart.bank_id and parts.as_of = mart.as_of"
    )
    condition = (
        f"(mart.borrower_count = parts.borrowers and {is_close('mart.outstanding_cny::double', 'parts.outstanding', tolerance)}"
        f" and {is_close('coalesce(mart.financed_t_co2e, 0)::double', 'parts.financed', tolerance)}) is not true"
    )
    shown = "coalesce(mart.bank_id, parts.bank_id) || ' ' || coalesce(mart.as_of, parts.as_of)"
    return count_broken("portfolio_is_sum_of_borrowers", condition, shown, rows)


def _check_financed(limits: Limits) -> Check:
    tolerance = limits.value("financed_is_attributed", "relative_tolerance")
    closeness = is_close("financed_t_co2e::double", "attribution * emissions_t_co2e::double", tolerance)
    condition = (
        "(case when emissions_t_co2e is null then financed_t_co2e is null and pcaf_score = 5"
        f" when attribution is null then financed_t_co2e is null"
        f" else {closeness} and pcaf_score between 1 and 4 and attribution between 0 and 1 end) is not true"
    )
    return count_broken("financed_is_attributed", condition, "bank_id || ' ' || borrower_id || ' ' || as_of", "marts.finance__borrowers")


def _check_eligible() -> Check:
    condition = f"(is_eligible = ({' and '.join(_CONDITIONS)})) is not true"
    return count_broken("eligible_is_all_five", condition, "bank_id || ' ' || borrower_id || ' ' || as_of", "marts.finance__borrowers")


def _check_stress() -> Check:
    rows = (
        "(select (select count(*) from marts.finance__stress_tests) as tested,"
        " (select count(*) from marts.finance__borrowers) * (select count(*) from reference.stress_scenario) as expected)"
    )
    return count_broken("stress_complete", "(tested = expected) is not true", "tested || ' rows, expected ' || expected", rows)


def _check_evidence() -> Check:
    """A condition and the evidence for it never disagree."""
    condition = (
        "((not has_good_tier or tier_disclosure_id is not null) and has_valid_label = (label_certificate_no is not null)"
        " and is_ets_clear = (ets_outstanding_t_co2e = 0) and has_no_ccer_finding = (ccer_finding_count = 0)"
        " and (ccer_finding_count = 0) = (ccer_finding is null) and has_no_lagging_eia = (lagging_eia_id is null)) is not true"
    )
    return count_broken("conditions_have_evidence", condition, "bank_id || ' ' || borrower_id || ' ' || as_of", "marts.finance__borrowers")


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys(_KEYS),
        check_finite(MARTS, columns),
        check_present(_FIGURES),
        _check_borrowers(),
        _check_portfolios(limits),
        _check_financed(limits),
        _check_eligible(),
        _check_evidence(),
        _check_stress(),
        check_emptied(MARTS, columns, limits),
    ]
