-- A country of any size from a few numbers: every source but meters, written set by set, the same rows for the same numbers.
-- A number drawn for a join is a column first: computed beside the join, with a count in it, it would make the engine try every pair.
-- Parameters stand in the table `size`: enterprises, disclosures, lines (per disclosure), trades, products, supplier_share, is_looped, last_year.
-- Nothing here is anybody's data; values follow the row rules of the contracts, so that all of them land.

create macro draw(seed, salt) as (hash(seed, salt) % 1000000) / 1000000.0;
create macro company(number) as 'lei:' || printf('%010d', number);

create table product as
select row_number() over (order by product_code) - 1 as number, product_code, name_zh, declared_unit, industry_code,
    4.0 + draw(product_code, 'base') * 6 as level
from catalogue
where declared_unit in ('t', 'kg')
qualify row_number() over (order by product_code) <= (select products from size);

create table fuel as
select row_number() over (order by activity_code) - 1 as number, activity_code, dimension,
    case dimension when 'mass' then 'kg' when 'energy' then 'kWh' else 'm3' end as unit, 0.2 + draw(activity_code, 'factor') as factor
from activity
where dimension in ('mass', 'energy', 'volume');

create table province_list as
select row_number() over (order by province_code) - 1 as number, province_code from province
where province_code not in ('000000', '990000', '710000', '810000', '820000');

create table enterprise as
select n as number, company(n) as enterprise_id, '企业' || n as enterprise_name, p.province_code, product.industry_code,
    product.number as product_number
from (
    select n, hash(n, 'province') % (select count(*) from province_list) as province, hash(n, 'product') % (select count(*) from product) as product
    from range((select enterprises from size)) as r (n)
) as drawn
join province_list as p on p.number = drawn.province
join product on product.number = drawn.product;

create table disclosure as
select d as number, 'PCF-' || printf('%09d', d) as disclosure_id, e.enterprise_id, e.number as enterprise_number, product.*,
    (select last_year from size) - (d // (select enterprises from size)) % 4 as year,
    product.level * (0.7 + 0.6 * draw(d, 'level')) as total
from (select d, d % (select enterprises from size) as enterprise from range((select disclosures from size)) as r (d)) as drawn
join enterprise as e on e.number = drawn.enterprise
join product on product.number = e.product_number;

create table product_footprint as
select disclosure_id, 1::bigint as revision, enterprise_id, product_code, name_zh as product_name, null::varchar as standard_code,
    declared_unit, 'cradle_to_gate' as boundary, 'AR5' as gwp_set, make_date(year, 1, 1) as period_start, make_date(year, 12, 31) as period_end,
    round(1000 + 9000 * draw(number, 'output'), 1) as output_quantity, round(total * 0.4, 9) as raw_material_kg_co2e,
    round(total, 9) - round(total * 0.4, 9) as production_kg_co2e, null::double as distribution_kg_co2e, null::double as use_kg_co2e,
    null::double as end_of_life_kg_co2e, round(total, 9) as total_kg_co2e, null::double as removals_kg_co2e,
    round(draw(number, 'primary'), 3) as primary_data_share, null::double as data_quality_rating,
    case when number % 3 = 0 then '核查机构' end as verifier_name, case when number % 3 = 0 then make_date(year + 1, 2, 1) end as verified_on,
    make_date(year + 1, 2, 15)::timestamp as submitted_at
from disclosure;

-- A line that names a supplier is in the supplier's unit; a looped country names the next disclosure in a ring, another one an earlier number.
create table line as
select d.disclosure_id, d.number, d.total, l as line_no, hash(d.number, l) % (select count(*) from fuel) as fuel_number,
    case when draw(d.number * 1000 + l, 'link') < (select supplier_share from size) and (d.number > 0 or (select is_looped from size))
        then case when (select is_looped from size) then (d.number + 1) % (select disclosures from size)
            else hash(d.number, l, 'supplier') % d.number end
    end as supplier_number
from disclosure as d, range((select lines from size)) as r (l);

create table footprint_activity as
select line.disclosure_id, 1::bigint as revision, (line.line_no + 1)::bigint as line_no,
    case when line.line_no % 2 = 0 then 'production' else 'raw_material' end as stage,
    case when supplier.number is null then fuel.activity_code else 'steel' end as activity_code,
    round(case when supplier.number is null then line.total / (select lines from size) / fuel.factor
        else 0.3 * line.total / (select lines from size) / supplier.total end, 9) as quantity,
    case when supplier.number is null then fuel.unit else supplier.declared_unit end as unit,
    'CN' as geography_code, supplier.disclosure_id as supplier_disclosure_id,
    case when line.line_no % 2 = 0 then 'primary' else 'secondary' end as data_source
from line
join fuel on fuel.number = line.fuel_number
left join disclosure as supplier on supplier.number = line.supplier_number and supplier.number <> line.number;

create table emission_factor as
select 'EF-' || activity_code || '-' || geography as factor_id, '2022' as edition, 'footprint' as factor_family, activity_code,
    '因子' || activity_code as activity_name, geography as geography_code, unit, round(factor, 6) as kg_co2e_per_unit,
    date '2015-01-01' as valid_from, null::date as valid_to, date '2021-01-01' as published_on, '本世界' as publisher, 10.0 as uncertainty_pct,
    '本世界的虚构因子 / made up for this world' as citation
from fuel, (values ('CN'), ('GLO')) as g (geography);

create table day as
select row_number() over (order by trade_date) - 1 as number, trade_date from trading_day
where year(trade_date) between (select last_year from size) - 3 and (select last_year from size);

create table market_quote as
select 'CN-ETS' as market, 'CEA' as instrument, 'listed' as trade_method, trade_date, null::decimal(18, 2) as open_cny_per_t,
    null::decimal(18, 2) as high_cny_per_t, null::decimal(18, 2) as low_cny_per_t, (70 + round(20 * sin(number / 60.0), 2))::decimal(18, 2) as close_cny_per_t,
    null::decimal(18, 2) as previous_close_cny_per_t, (1000 + hash(number, 'volume') % 100000)::decimal(18, 0) as volume_t,
    ((70 + round(20 * sin(number / 60.0), 2))::decimal(18, 2) * (1000 + hash(number, 'volume') % 100000)::decimal(18, 0))::decimal(28, 2) as turnover_cny
from day;

create table market_trade as
select 'CN-ETS' as market, 'T' || printf('%010d', t) as trade_id, 'CEA24' as instrument, 'listed' as trade_method,
    (day.trade_date + interval 2 hour + to_seconds((hash(t, 'second') % 7000)::bigint))::timestamp as traded_at,
    (60 + (day.number % 20))::decimal(18, 2) as price_cny_per_t, (1 + hash(t, 'volume') % 500)::decimal(18, 0) as volume_t,
    ((60 + (day.number % 20)) * (1 + hash(t, 'volume') % 500))::decimal(28, 2) as turnover_cny,
    'A' || hash(t, 'buyer') % 5000 as buyer_account, 'B' || hash(t, 'seller') % 5000 as seller_account
from (select t, t % (select count(*) from day) as day from range((select trades from size)) as r (t)) as drawn
join day on day.number = drawn.day;

create table facility_year as
select e.number, e.enterprise_id, y as year, 1000 + hash(e.number, y) % 100000 as output, 0.7 + 0.2 * draw(e.number * 10000 + y, 'intensity') as intensity
from enterprise as e, range((select last_year from size) - 2, (select last_year from size)) as r (y);

create table ets_facility_year as
select 'CN-ETS' as market, enterprise_id, 'F' || number as facility_id, year::bigint as compliance_year, 'power' as sector,
    'power_coal_gt_300mw_electricity' as benchmark_category, output::double as output_quantity, 'MWh' as output_unit,
    round(output * intensity)::decimal(18, 0) as verified_t_co2e, round(output * 0.79)::decimal(18, 0) as allocated_t_co2e
from facility_year;

create table ets_surrender as
select 'S' || number || '-' || year || '-' || kind as surrender_id, 'CN-ETS' as market, enterprise_id, year::bigint as compliance_year,
    kind as instrument_kind,
    case kind when 'allowance' then round(output * intensity * (case when number % 10 = 0 then 0.9 else 1 end)) else 5 end::decimal(18, 0) as quantity_t_co2e,
    make_date(year + 1, 11, 30) as surrendered_on
from facility_year, (values ('allowance'), ('offset')) as k (kind)
where kind = 'allowance' or number % 4 = 0;

create table ccer_project as
select 'P' || number as project_id, '减排项目' || number as project_name, enterprise_id as owner_id, 'CCER-01-001-V01' as methodology_code, province_code,
    make_date((select last_year from size) - 2, 1, 15) as registered_on, make_date((select last_year from size) - 3, 1, 1) as crediting_start,
    make_date((select last_year from size) + 6, 12, 31) as crediting_end, (1000 + number % 5000)::decimal(18, 0) as estimated_annual_t_co2e,
    null::varchar as facility_id
from enterprise where number % 5 = 0;

create table ccer_issuance as
select 'I' || project_id || '-' || y as issuance_id, project_id, make_date(y, 1, 1) as monitoring_start, make_date(y, 12, 31) as monitoring_end,
    estimated_annual_t_co2e as quantity_t_co2e, make_date(y + 1, 5, 1) as issued_on
from ccer_project, range((select last_year from size) - 2, (select last_year from size)) as r (y);

create table ccer_cancellation as
select 'C' || issuance_id || '-' || k as cancellation_id, issuance_id, 5::decimal(18, 0) as quantity_t_co2e, issued_on + 30 as cancelled_on,
    case when k = 0 then 'ets_offset' else 'voluntary' end as purpose,
    case when k = 0 then company(4 * (hash(issuance_id) % (1 + (select enterprises from size) // 4))) end as beneficiary_id,
    case when k = 0 then year(monitoring_end) end::bigint as compliance_year
from ccer_issuance, range(2) as r (k);

create table green_certificate as
select 'G' || project_id as batch_id, case when hash(project_id) % 3 = 0 then project_id end as ccer_project_id,
    make_date((select last_year from size) - 1, 3, 1) as generation_start, make_date((select last_year from size) - 1, 3, 31) as generation_end,
    1000::double as energy_mwh, make_date((select last_year from size) - 1, 5, 1) as issued_on, null::varchar as purchaser_id
from ccer_project;

create table eia_project as
select 'E' || e.number as eia_id, e.enterprise_id, '建设项目' || e.number as project_name, e.province_code, e.industry_code, product.product_code,
    'new' as construction_kind, 100000::double as annual_capacity, product.declared_unit as capacity_unit,
    round(100 * product.level * (0.8 + 0.4 * draw(e.number, 'promise')), 3) as direct_t_co2e, 0::double as energy_indirect_t_co2e,
    round(100 * product.level * (0.8 + 0.4 * draw(e.number, 'promise')), 3) / 100 as intensity_kg_co2e_per_unit,
    ['national', 'provincial', 'municipal', 'county'][1 + e.number % 4] as approval_level,
    make_date((select last_year from size) - 1, 1 + (e.number % 12)::int, 10) as approved_on,
    case when e.number % 2 = 0 then make_date((select last_year from size) - 1, 12, 20) end as operational_on
from enterprise as e join product on product.number = e.product_number
where e.number % 3 = 0;

create table loan as
select company(9000000000 + e.number % 20) as bank_id, 'L' || e.number as loan_id, as_of, e.enterprise_id as borrower_id,
    (1000000 + hash(e.number) % 9000000)::decimal(18, 2) as outstanding_cny, (20000000 + hash(e.number) % 9000000)::decimal(18, 2) as borrower_total_value_cny,
    null::varchar as catalogue_code, 'general' as use_of_proceeds, null::varchar as eia_id
from enterprise as e, (values (make_date((select last_year from size), 12, 31)), (make_date((select last_year from size) + 1, 3, 31))) as d (as_of)
where e.number % 2 = 0;

create table label_certificate as
select 'CERT-' || number as certificate_no, 'valid' as state, make_date(year + 1, 3, 1) as state_on, disclosure_id, enterprise_id, product_code,
    '认证机构' as certifier, 'pcf' as scheme, null::varchar as pilot_region_code, make_date(year + 1, 3, 1) as issued_on,
    make_date(year + 4, 3, 1) as expires_on
from disclosure where number % 10 = 0;

create table pcf_standard as
select 'GB/T ' || (50000 + number) as standard_code, name_zh as title, product_code, 'national' as level, 'CN' as jurisdiction_code, 'issued' as stage,
    make_date((select last_year from size), 1 + (number % 12)::int, 5) as stage_on, true as counts_to_target, null::varchar as supersedes_standard_code
from product where number % 2 = 0;

create table policy_task as
select n::bigint as task_no, make_date((select last_year from size), 12, 31) as as_of,
    case when n % 3 = 0 then 'done' else 'in_progress' end as status, null::varchar as note
from range(1, 23) as r (n);
