-- The marts of a release in plain DuckDB: text in, the same columns out. No gates, no history, no lineage, no fixed order of addition.
-- `landed` is the folder of Parquet files that bare.py wrote. unit, activity, product_catalogue, province and trading_day are registered.
-- What only leads to a mart is a temporary table: written to the file, it would take a third longer and flatter the pipeline.

create temp table disclosure as
with newest as (
    select *
    from read_parquet(getvariable('landed') || '/product_footprint/*.parquet')
    qualify row_number() over (partition by disclosure_id order by cast(revision as integer) desc) = 1
)
select
    f.disclosure_id, cast(f.revision as bigint) as revision, f.enterprise_id, f.product_code,
    nullif(e.province_code, '000000') as province_code,
    p.declared_unit, p.name_zh as product_name_zh, p.name_en as product_name_en, f.boundary, f.gwp_set,
    year(cast(f.period_end as date)) as reporting_year,
    cast(f.period_end as date) as period_end,
    catalogue_unit.factor_to_base / own_unit.factor_to_base as unit_ratio,
    cast(f.output_quantity as double) / (catalogue_unit.factor_to_base / own_unit.factor_to_base) as output_quantity,
    cast(f.total_kg_co2e as double) * (catalogue_unit.factor_to_base / own_unit.factor_to_base) as declared_kg_co2e,
    cast(f.primary_data_share as double) as primary_data_share,
    cast(f.data_quality_rating as double) as data_quality_rating,
    f.verified_on is not null as is_verified
from newest as f
left join read_parquet(getvariable('landed') || '/enterprise/*.parquet') as e using (enterprise_id)
left join product_catalogue as p using (product_code)
left join unit as own_unit on own_unit.unit = f.declared_unit
left join unit as catalogue_unit on catalogue_unit.unit = p.declared_unit and catalogue_unit.dimension = own_unit.dimension;

create temp table line as
select
    l.disclosure_id, l.activity_code, l.geography_code, l.supplier_disclosure_id, d.period_end, u.dimension,
    cast(l.quantity as double) * u.factor_to_base * d.unit_ratio as base_quantity
from read_parquet(getvariable('landed') || '/footprint_activity/*.parquet') as l
join disclosure as d on d.disclosure_id = l.disclosure_id and d.revision = cast(l.revision as bigint)
left join unit as u on u.unit = l.unit;

create temp table factor_choice as
with factor as (
    select
        f.activity_code, f.geography_code, f.edition, u.dimension,
        cast(f.kg_co2e_per_unit as double) / u.factor_to_base as kg_co2e_per_base_unit,
        coalesce(cast(f.uncertainty_pct as double), a.default_uncertainty_pct) as uncertainty_pct,
        cast(f.valid_from as date) as valid_from, cast(f.valid_to as date) as valid_to, cast(f.published_on as date) as published_on
    from read_parquet(getvariable('landed') || '/emission_factor/*.parquet') as f
    left join unit as u on u.unit = f.unit
    left join activity as a on a.activity_code = f.activity_code
    where f.factor_family = 'footprint'
)
select c.activity_code, c.geography_code, c.period_end, f.dimension, f.kg_co2e_per_base_unit, f.uncertainty_pct
from (select distinct activity_code, geography_code, period_end from line) as c
join factor as f
    on f.activity_code = c.activity_code
    and (f.geography_code in (c.geography_code, 'GLO') or (f.geography_code = 'CN' and c.geography_code <> 'GLO'))
    and c.period_end >= f.valid_from and (f.valid_to is null or c.period_end < f.valid_to)
qualify row_number() over (
    partition by c.activity_code, c.geography_code, c.period_end
    order by
        case f.geography_code when c.geography_code then 1 when 'CN' then 2 else 3 end,
        f.valid_from desc, f.published_on desc, f.edition desc
) = 1;

create table footprint__products as
with recalculated as (
    select
        l.disclosure_id,
        count(*) as line_count,
        count(f.kg_co2e_per_base_unit * l.base_quantity) as priced_line_count,
        count(l.supplier_disclosure_id) as supplier_line_count,
        sum(l.base_quantity * f.kg_co2e_per_base_unit) as recalculated_kg_co2e,
        count(l.base_quantity * f.kg_co2e_per_base_unit * f.uncertainty_pct) as uncertain_line_count,
        sqrt(sum(pow(l.base_quantity * f.kg_co2e_per_base_unit * f.uncertainty_pct, 2))) as uncertainty
    from line as l
    left join factor_choice as f
        on f.activity_code = l.activity_code and f.geography_code = l.geography_code
        and f.period_end = l.period_end and f.dimension = l.dimension
    group by l.disclosure_id
),
judged as (
    select
        d.*, r.recalculated_kg_co2e,
        coalesce(r.line_count, 0) as line_count,
        coalesce(r.priced_line_count, 0) as priced_line_count,
        coalesce(r.supplier_line_count, 0) as supplier_line_count,
        r.priced_line_count = r.line_count as is_complete,
        case when r.uncertain_line_count = r.line_count then r.uncertainty / nullif(abs(r.recalculated_kg_co2e), 0) end as uncertainty_pct
    from disclosure as d
    left join recalculated as r using (disclosure_id)
)
select
    disclosure_id, revision, enterprise_id, product_code, province_code, reporting_year, boundary, gwp_set, declared_unit,
    product_name_zh, product_name_en,
    case when is_complete then 'complete' when line_count > 0 then 'partial' else 'none' end as recalculation_status,
    output_quantity, declared_kg_co2e, recalculated_kg_co2e,
    case when is_complete then declared_kg_co2e / nullif(recalculated_kg_co2e, 0) - 1 end as discrepancy_ratio,
    line_count, priced_line_count, supplier_line_count, 0 as supplier_depth, primary_data_share, data_quality_rating,
    case when is_complete then uncertainty_pct end as uncertainty_pct,
    case when is_complete then abs(declared_kg_co2e / nullif(recalculated_kg_co2e, 0) - 1) > 0.1 end as is_discrepant,
    false as is_divergent_loop,
    is_verified
from judged;

create temp table cell_row as
select product_code, boundary, gwp_set, reporting_year, province_code, enterprise_id, declared_kg_co2e, output_quantity, primary_data_share, is_verified
from disclosure
where province_code is not null
union all
select product_code, boundary, gwp_set, reporting_year, '000000' as province_code, enterprise_id, declared_kg_co2e, output_quantity, primary_data_share, is_verified
from disclosure;

create temp table cell as
select
    product_code, boundary, gwp_set, reporting_year, province_code,
    count(*) as disclosure_count,
    count(distinct enterprise_id) as enterprise_count,
    sum(output_quantity) as output_quantity,
    sum(declared_kg_co2e * output_quantity) / nullif(sum(output_quantity), 0) as weighted_mean_kg_co2e,
    avg(declared_kg_co2e) as mean_kg_co2e,
    stddev_samp(declared_kg_co2e) as stddev_kg_co2e,
    quantile_cont(declared_kg_co2e, [0.1, 0.25, 0.5, 0.75, 0.9]) as q,
    sum(declared_kg_co2e * output_quantity) / 1000 as total_t_co2e,
    sum(output_quantity) filter (where is_verified) as verified_quantity,
    sum(coalesce(primary_data_share, 0) * output_quantity) as primary_quantity
from cell_row
group by product_code, boundary, gwp_set, reporting_year, province_code;

create table footprint__sectors_by_year as
with maker as (
    select
        r.product_code, r.boundary, r.gwp_set, r.reporting_year, r.province_code, r.enterprise_id,
        sum(r.declared_kg_co2e * r.output_quantity) / sum(r.output_quantity) as f,
        sum(r.output_quantity) / any_value(c.output_quantity) as w
    from cell_row as r
    join cell as c using (product_code, boundary, gwp_set, reporting_year, province_code)
    group by all
    having sum(r.output_quantity) > 0
),
change as (
    select
        c.product_code, c.boundary, c.gwp_set, c.reporting_year, c.province_code,
        c.weighted_mean_kg_co2e - b.weighted_mean_kg_co2e as yoy_change_kg_co2e,
        (c.weighted_mean_kg_co2e + b.weighted_mean_kg_co2e) / 2 as middle
    from cell as c
    join cell as b
        on b.product_code = c.product_code and b.boundary = c.boundary and b.gwp_set = c.gwp_set
        and b.province_code = c.province_code and b.reporting_year = c.reporting_year - 1
),
pair as (
    select
        coalesce(m.product_code, b.product_code) as product_code, coalesce(m.boundary, b.boundary) as boundary,
        coalesce(m.gwp_set, b.gwp_set) as gwp_set, coalesce(m.province_code, b.province_code) as province_code,
        coalesce(m.reporting_year, b.reporting_year + 1) as reporting_year,
        m.f, m.w, b.f as f_before, b.w as w_before
    from maker as m
    full join maker as b
        on b.product_code = m.product_code and b.boundary = m.boundary and b.gwp_set = m.gwp_set
        and b.province_code = m.province_code and b.enterprise_id = m.enterprise_id and b.reporting_year = m.reporting_year - 1
),
split as (
    select
        c.product_code, c.boundary, c.gwp_set, c.reporting_year, c.province_code,
        coalesce(sum((p.w + p.w_before) / 2 * (p.f - p.f_before)), 0) as yoy_within_kg_co2e,
        coalesce(sum((p.w - p.w_before) * ((p.f + p.f_before) / 2 - c.middle)), 0) as yoy_mix_kg_co2e,
        coalesce(sum(p.w * (p.f - c.middle)) filter (where p.w_before is null), 0)
        - coalesce(sum(p.w_before * (p.f_before - c.middle)) filter (where p.w is null), 0) as yoy_entry_exit_kg_co2e
    from change as c
    join pair as p using (product_code, boundary, gwp_set, reporting_year, province_code)
    where c.yoy_change_kg_co2e is not null
    group by c.product_code, c.boundary, c.gwp_set, c.reporting_year, c.province_code
)
select
    c.product_code, c.boundary, c.gwp_set, c.reporting_year, c.province_code,
    p.name_zh as product_name_zh, p.name_en as product_name_en, province.name_zh as province_name_zh, province.name_en as province_name_en, p.declared_unit,
    c.disclosure_count, c.enterprise_count, c.output_quantity, c.weighted_mean_kg_co2e, c.mean_kg_co2e, c.stddev_kg_co2e,
    c.q[1] as p10_kg_co2e, c.q[2] as p25_kg_co2e, c.q[3] as p50_kg_co2e, c.q[4] as p75_kg_co2e, c.q[5] as p90_kg_co2e,
    c.total_t_co2e,
    coalesce(c.verified_quantity, 0) / nullif(c.output_quantity, 0) as verified_share,
    c.primary_quantity / nullif(c.output_quantity, 0) as primary_data_share,
    change.yoy_change_kg_co2e, split.yoy_within_kg_co2e, split.yoy_mix_kg_co2e, split.yoy_entry_exit_kg_co2e
from cell as c
left join change using (product_code, boundary, gwp_set, reporting_year, province_code)
left join split using (product_code, boundary, gwp_set, reporting_year, province_code)
left join product_catalogue as p using (product_code)
left join province using (province_code);

create table footprint__benchmarks_by_year as
select
    product_code, boundary, gwp_set, reporting_year,
    any_value(product_name_zh) as product_name_zh, any_value(product_name_en) as product_name_en,
    any_value(declared_unit) as declared_unit,
    case when count(distinct enterprise_id) >= 5 then 'percentiles' else 'fewer_than_5_enterprises' end as tier_basis,
    count(distinct enterprise_id) as enterprise_count,
    count(*) as disclosure_count,
    case when count(distinct enterprise_id) >= 5 then quantile_cont(declared_kg_co2e, 0.2) end as p20_kg_co2e,
    case when count(distinct enterprise_id) >= 5 then quantile_cont(declared_kg_co2e, 0.5) end as p50_kg_co2e,
    case when count(distinct enterprise_id) >= 5 then quantile_cont(declared_kg_co2e, 0.8) end as p80_kg_co2e
from disclosure
group by product_code, boundary, gwp_set, reporting_year;

create table footprint__product_tiers as
select
    d.disclosure_id, d.product_code, d.boundary, d.gwp_set, d.reporting_year,
    b.product_name_zh, b.product_name_en, b.declared_unit, b.tier_basis, d.declared_kg_co2e,
    case
        when b.tier_basis <> 'percentiles' then null
        when d.declared_kg_co2e <= b.p20_kg_co2e then 1
        when d.declared_kg_co2e <= b.p50_kg_co2e then 2
        when d.declared_kg_co2e <= b.p80_kg_co2e then 3
        else 4
    end as tier,
    case
        when b.tier_basis = 'percentiles' then (
            rank() over (partition by d.product_code, d.boundary, d.gwp_set, d.reporting_year order by d.declared_kg_co2e) - 1
        ) / b.disclosure_count
    end as percentile_rank
from disclosure as d
join footprint__benchmarks_by_year as b using (product_code, boundary, gwp_set, reporting_year);

create temp table quote as
select
    market, instrument, trade_method, cast(trade_date as date) as trade_date,
    cast(high_cny_per_t as decimal(28, 8)) as high_cny_per_t, cast(low_cny_per_t as decimal(28, 8)) as low_cny_per_t,
    cast(close_cny_per_t as decimal(28, 8)) as close_cny_per_t,
    cast(volume_t as decimal(28, 8)) as volume_t, cast(turnover_cny as decimal(28, 8)) as turnover_cny
from read_parquet(getvariable('landed') || '/market_quote/*.parquet');

create table ets__prices_by_day as
with traded as (
    select
        market, instrument, trade_date,
        max(close_cny_per_t) filter (where trade_method = 'listed' and volume_t > 0) as listed_close,
        max(close_cny_per_t) filter (where trade_method = 'listed') as stated_close,
        sum(volume_t) as volume_t,
        sum(turnover_cny) as turnover_cny,
        sum(turnover_cny) filter (where trade_method = 'listed')
        / nullif(sum(volume_t) filter (where trade_method = 'listed'), 0) as vwap_listed_cny_per_t,
        sum(turnover_cny) filter (where trade_method = 'block')
        / nullif(sum(volume_t) filter (where trade_method = 'block'), 0) as vwap_block_cny_per_t,
        sum(turnover_cny) filter (where trade_method = 'auction')
        / nullif(sum(volume_t) filter (where trade_method = 'auction'), 0) as vwap_auction_cny_per_t
    from quote
    group by all
),
day as (
    select s.market, s.instrument, t.trade_date
    from (select market, instrument, min(trade_date) as first_day, max(trade_date) as last_day from traded group by all) as s
    join trading_day as t on t.trade_date between s.first_day and s.last_day
    union
    select market, instrument, trade_date from traded
),
filled as (
    select
        market, instrument, trade_date,
        coalesce(last_value(t.listed_close ignore nulls) over history, t.stated_close) as close_cny_per_t,
        coalesce(t.volume_t, 0) as volume_t,
        coalesce(t.turnover_cny, 0) as turnover_cny,
        t.vwap_listed_cny_per_t, t.vwap_block_cny_per_t, t.vwap_auction_cny_per_t
    from day
    left join traded as t using (market, instrument, trade_date)
    window history as (
        partition by market, instrument order by trade_date rows between unbounded preceding and current row
    )
),
moved as (
    select
        *,
        case
            when volume_t = 0 and lag(close_cny_per_t) over series is not null then 0
            else ln(cast(close_cny_per_t as double) / nullif(lag(close_cny_per_t) over series, 0))
        end as log_return
    from filled
    window series as (partition by market, instrument order by trade_date)
)
select
    market, instrument, trade_date, close_cny_per_t, turnover_cny / nullif(volume_t, 0) as vwap_cny_per_t,
    vwap_listed_cny_per_t, vwap_block_cny_per_t, vwap_auction_cny_per_t, volume_t, turnover_cny, log_return,
    case when count(log_return) over month_and_half = 30 then stddev_samp(log_return) over month_and_half * sqrt(242) end as volatility_30d,
    volume_t = 0 as is_carried, false as is_from_trades, false as has_conflict
from moved
window month_and_half as (partition by market, instrument order by trade_date rows between 29 preceding and current row);

create table ets__prices_by_year as
with traded_range as (
    select
        market, instrument, year(trade_date) as year,
        max(coalesce(high_cny_per_t, close_cny_per_t)) as high_cny_per_t,
        min(coalesce(low_cny_per_t, close_cny_per_t)) as low_cny_per_t
    from quote
    where volume_t > 0
    group by all
),
total as (
    select
        market, instrument, year(trade_date) as year,
        sum(turnover_cny) / nullif(sum(volume_t), 0) as vwap_cny_per_t,
        arg_max(close_cny_per_t, trade_date) as close_cny_per_t,
        sum(volume_t) as volume_t, sum(turnover_cny) as turnover_cny
    from ets__prices_by_day
    group by all
)
select
    t.market, t.instrument, t.year, t.vwap_cny_per_t, t.close_cny_per_t, r.high_cny_per_t, r.low_cny_per_t, t.volume_t, t.turnover_cny
from total as t
left join traded_range as r using (market, instrument, year);
