"""What must hold between the accounts of emissions trading, the landed rows behind them and the rules in force (method M7).

Apart from the market (`ets`): a deployment may hold the accounts of enterprises without any quote, and prices without any account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expectations.check import Check, Limits, count_broken
from expectations.shape import check_emptied, check_filled, check_keys, check_present

MARTS = ("ets__positions_by_year",)
FED_BY = ("ets_facility_year", "ets_surrender")
_FIGURES = {"ets__positions_by_year": ("surrendered_allowance_t_co2e", "surrendered_offset_t_co2e", "position_status")}


def _check_surrenders(limits: Limits) -> Check:
    tolerance = limits.value("surrenders_conserved", "tolerance_t_co2e")
    landed = (
        "select market, enterprise_id, compliance_year, coalesce(sum(quantity_t_co2e) filter (where instrument_kind = 'allowance'), 0) as allowance,"
        " coalesce(sum(quantity_t_co2e) filter (where instrument_kind = 'offset'), 0) as offset_t from landing.ets_surrender group by all"
    )
    condition = (
        f"(abs(coalesce(landed.allowance, 0) - mart.surrendered_allowance_t_co2e) <= {tolerance!r}"
        f" and abs(coalesce(landed.offset_t, 0) - mart.surrendered_offset_t_co2e) <= {tolerance!r}) is not true"
    )
    shown = "coalesce(mart.market || ' ' || mart.enterprise_id, landed.market || ' ' || landed.enterprise_id)"
    source = (
        f"marts.ets__positions_by_year as mart full join ({landed}) as landed on mart.market = landed.market"
        " and mart.enterprise_id = landed.enterprise_id and mart.compliance_year = landed.compliance_year"
    )
    return count_broken("surrenders_conserved", condition, shown, source)


def _check_positions(limits: Limits) -> Check:
    """What is owed is surrendered, counted, or outstanding; what is short costs, and what is left over has its value."""
    tolerance = limits.value("positions_balanced", "tolerance_t_co2e")
    relative = limits.value("positions_balanced", "relative_tolerance")
    owed = "obligation_t_co2e::double - surrendered_allowance_t_co2e::double - offset_counted_t_co2e::double"
    value = "(obligation_t_co2e::double - allocated_t_co2e::double) * price_cny_per_t::double"
    condition = (
        "(case when position_status = 'no_data' then obligation_t_co2e is null and cost_cny is null else"
        f" abs(greatest({owed}, 0) - outstanding_t_co2e::double) <= {tolerance!r}"
        f" and abs(surrendered_offset_t_co2e::double - offset_counted_t_co2e::double - offset_excess_t_co2e::double) <= {tolerance!r}"
        " and (outstanding_t_co2e = 0) = (position_status = 'compliant')"
        f" and (price_cny_per_t is null or abs(cost_cny::double - surplus_value_cny::double - {value})"
        f" <= {relative!r} * verified_t_co2e::double * price_cny_per_t::double) end) is not true"
    )
    shown = "market || ' ' || enterprise_id || ' ' || compliance_year || ': ' || position_status"
    return count_broken("positions_balanced", condition, shown, "marts.ets__positions_by_year")


def _check_costs(limits: Limits) -> Check:
    relative = limits.value("product_costs_shared", "relative_tolerance")
    shared = (
        "select enterprise_id, compliance_year, sum(net_cost_cny)::double as net_cost from marts.ets__product_costs_by_year group by all"
    )
    condition = (
        "(case when position.cost_cny is null then shared.net_cost is null else abs(shared.net_cost - position.cost_cny::double"
        f" + position.surplus_value_cny::double) <= {relative!r} * (position.cost_cny::double + position.surplus_value_cny::double) end)"
        " is not true"
    )
    source = (
        f"({shared}) as shared left join marts.ets__positions_by_year as position on position.market = 'CN-ETS'"
        " and shared.enterprise_id = position.enterprise_id and shared.compliance_year = position.compliance_year"
    )
    return replace(
        count_broken("product_costs_shared", condition, "shared.enterprise_id || ' ' || shared.compliance_year", source), may_be_empty=True
    )


def _check_series() -> Check:
    """A rate of one output is no change of a rate of another: across the break of 2023 there is no year before."""
    rows = (
        "marts.ets__benchmarks_by_year as rate left join marts.ets__benchmarks_by_year as before on rate.market = before.market"
        " and rate.benchmark_category = before.benchmark_category and rate.compliance_year = before.compliance_year + 1"
    )
    condition = (
        "(case when before.output_basis = rate.output_basis then not rate.is_series_start"
        " and rate.previous_t_co2e_per_unit = before.benchmark_t_co2e_per_unit"
        " else rate.is_series_start and rate.previous_t_co2e_per_unit is null and rate.benchmark_change_ratio is null end"
        " and rate.benchmark_status in ('final', 'draft')) is not true"
    )
    shown = "rate.benchmark_category || ' ' || rate.compliance_year || ': ' || coalesce(rate.output_basis, 'no basis')"
    return replace(count_broken("benchmarks_in_series", condition, shown, rows), may_be_empty=True)  # a deployment may list none


def _check_rules() -> Check:
    """Every rule in force is shown as it stands in its list, whether anybody owes under it or not."""
    rows = (
        "reference.ets_rule as rule full join marts.ets__rules_by_year as mart on rule.market = mart.market"
        " and rule.sector = mart.sector and rule.compliance_year = mart.compliance_year"
    )
    condition = (
        "(rule.deadline::date = mart.deadline_on and rule.ccer_offset_share::double = mart.ccer_offset_share::double"
        " and rule.gap_cap_share::double is not distinct from mart.gap_cap_share::double) is not true"
    )
    shown = "coalesce(rule.sector || ' ' || rule.compliance_year, mart.sector || ' ' || mart.compliance_year)"
    return replace(count_broken("rules_as_listed", condition, shown, rows), may_be_empty=True)  # a deployment may list none


def _check_carried_costs(limits: Limits) -> Check:
    """What the products carry and what they do not is the enterprise's net cost."""
    relative = limits.value("costs_carried", "relative_tolerance")
    rows = (
        "(select enterprise_id, compliance_year, cost_cny::double as cost, surplus_value_cny::double as surplus"
        " from marts.ets__positions_by_year where market = 'CN-ETS' and position_status <> 'no_data') as position"
        " full join marts.ets__cost_reconciliations_by_year as mart"
        " on position.enterprise_id = mart.enterprise_id and position.compliance_year = mart.compliance_year"
    )
    condition = (
        "(position.enterprise_id is not null and mart.enterprise_id is not null and case when position.cost is null"
        " then mart.net_cost_cny is null else abs(mart.product_cost_cny::double + mart.uncarried_cost_cny::double"
        f" - position.cost + position.surplus) <= {relative!r} * (position.cost + position.surplus) end) is not true"
    )
    shown = "coalesce(position.enterprise_id || ' ' || position.compliance_year, mart.enterprise_id || ' ' || mart.compliance_year)"
    return replace(count_broken("costs_carried", condition, shown, rows), may_be_empty=True)


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    return [
        check_filled(),
        check_keys({"ets__positions_by_year": ("market", "enterprise_id", "compliance_year")}),
        check_present(_FIGURES),
        _check_surrenders(limits),
        _check_positions(limits),
        _check_costs(limits),
        _check_series(),
        _check_rules(),
        _check_carried_costs(limits),
        check_emptied(MARTS, columns, limits),
    ]
