"""Marts that the acceptance world gives no figures for, derived from those it gives, as far as the checks look at them."""

from __future__ import annotations

import duckdb

STATEMENTS = (
    # No output basis is stated for this world's categories: one series each.
    """create table marts.ets__benchmarks_by_year as
    select b.market, b.benchmark_category, b.compliance_year, 'not_stated' as output_basis, b.status as benchmark_status,
        b.t_co2e_per_unit as benchmark_t_co2e_per_unit, p.t_co2e_per_unit as previous_t_co2e_per_unit,
        b.t_co2e_per_unit / p.t_co2e_per_unit - 1 as benchmark_change_ratio, p.market is null as is_series_start
    from reference.ets_benchmark b left join reference.ets_benchmark p
    on p.market = b.market and p.benchmark_category = b.benchmark_category and p.compliance_year = b.compliance_year - 1""",
    """create table marts.ets__rules_by_year as
    select market, sector, compliance_year, ccer_offset_share, gap_cap_share, deadline::date as deadline_on from reference.ets_rule""",
    """create table marts.ets__cost_reconciliations_by_year as
    select p.enterprise_id, p.compliance_year, p.cost_cny - p.surplus_value_cny as net_cost_cny, coalesce(c.carried, 0) as product_cost_cny,
        p.cost_cny - p.surplus_value_cny - coalesce(c.carried, 0) as uncarried_cost_cny
    from marts.ets__positions_by_year p
    left join (select enterprise_id, compliance_year, sum(net_cost_cny) as carried from marts.ets__product_costs_by_year group by all) c
    using (enterprise_id, compliance_year)
    where p.market = 'CN-ETS' and p.position_status <> 'no_data'""",
    """create table marts.ccer__ledger_events as
    with events as (
        select issuance_id, issuance_id as event_id, 'issued' as event_kind, quantity_t_co2e::decimal(28, 8) as change, 0 as place
        from landing.ccer_issuance
        union all
        select issuance_id, cancellation_id, 'cancelled_' || purpose, -quantity_t_co2e::decimal(28, 8), 1 from landing.ccer_cancellation),
    summed as (select *, row_number() over w as event_rank, sum(change) over (w rows unbounded preceding) as left_after from events
        window w as (partition by issuance_id order by place, event_id))
    select issuance_id, event_rank, event_kind, event_id, change as change_t_co2e, left_after - change as balance_before_t_co2e,
        left_after as balance_after_t_co2e from summed""",
    "update marts.ccer__ledger set balance_t_co2e = round(balance_t_co2e, 8)",
    "alter table marts.ccer__ledger alter balance_t_co2e type decimal(38, 8)",
    """create table marts.ccer__offset_eligibilities as
    select issuance_id, balance_t_co2e, case when hash(issuance_id) % 2 = 0 then 'usable' else 'expired' end as eligibility_status,
        case when hash(issuance_id) % 2 = 0 then balance_t_co2e else 0 end as usable_t_co2e
    from marts.ccer__ledger""",
    """create table marts.ccer__offset_uses_by_year as
    with uses as (
        select beneficiary_id as enterprise_id, coalesce(compliance_year, year(cancelled_on)) as compliance_year,
            case purpose when 'ets_offset' then quantity_t_co2e else 0 end as cancelled, case purpose when 'voluntary' then quantity_t_co2e else 0 end as voluntary,
            0 as national, 0 as elsewhere
        from landing.ccer_cancellation where beneficiary_id is not null
        union all
        select enterprise_id, compliance_year, 0, 0, case market when 'CN-ETS' then quantity_t_co2e else 0 end,
            case market when 'CN-ETS' then 0 else quantity_t_co2e end
        from landing.ets_surrender where instrument_kind = 'offset')
    select enterprise_id, compliance_year, sum(cancelled) as cancelled_ets_offset_t_co2e, sum(voluntary) as cancelled_voluntary_t_co2e,
        sum(national) as surrendered_national_t_co2e, sum(elsewhere) as surrendered_elsewhere_t_co2e,
        case when sum(cancelled) = sum(national) then 'matched' else 'surrendered_without_cancellation' end as use_status
    from uses group by all""",
    """create table marts.eia__promise_biases as
    with grouped as (
        select 'country' as breakdown, '000000' as member_code, ex_post_gap_ratio as gap from marts.eia__assessments
        union all select 'province', province_code, ex_post_gap_ratio from marts.eia__assessments)
    select breakdown, member_code, case when count(gap) >= 5 then 'shown' else 'too_few' end as bias_status, count(*) as project_count,
        count(gap) as outcome_count, 5 as minimum_outcome_count, case when count(gap) >= 5 then avg(gap) end as mean_gap_ratio,
        case when count(gap) >= 5 then median(gap) end as median_gap_ratio, case when count(gap) >= 5 then stddev_samp(gap) end as stddev_gap_ratio,
        case when count(gap) >= 5 then avg((gap > 0)::int) end as above_promise_share
    from grouped group by all""",
    """create or replace table marts.finance__borrowers as
    select *, case when best_tier is not null then 'PCF-1' end as tier_disclosure_id, case when has_valid_label then 'CERT-1' end as label_certificate_no,
        case when is_ets_clear then 0 else 5 end as ets_outstanding_t_co2e, case when has_no_ccer_finding then 0 else 1 end as ccer_finding_count,
        case when not has_no_ccer_finding then 'duplicate_project P1|P2' end as ccer_finding, case when not has_no_lagging_eia then 'E1' end as lagging_eia_id
    from marts.finance__borrowers""",
)  # fmt: skip


def add_instrument_marts(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in STATEMENTS:
        connection.execute(statement)
