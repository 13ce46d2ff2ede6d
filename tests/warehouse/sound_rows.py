"""What the demonstration world is held to: the rules that its faults break, and what each sound row satisfies."""

# Every rule class of the footprints' and the quotes' sources (the acceptance table, and what the contracts name beside it); of the
# policy instruments' sources one or a few each.
RULES = {
    "enterprise": "required enumeration identifier_check control_character",
    "product_footprint": "type required enumeration range identifier_check key_conflict stage_sum stage_negative breakdown_incomplete "
    "period_length period_future total_positive gate_last_stages product_unknown unit_dimension outlier control_character",
    "footprint_activity": "type required enumeration range key_conflict orphan unit_dimension self_supplier control_character",
    "emission_factor": "type required enumeration range key_conflict validity_order validity_overlap negative unit_dimension "
    "published_future control_character",
    "market_quote": "type required enumeration range key_conflict low_high price_limit turnover_range non_trading_day zero_volume "
    "control_character",
    "market_trade": "same_account turnover_product",
    "ets_facility_year": "negative",
    "ets_surrender": "quantity_positive",
    "ccer_project": "period_order",
    "ccer_issuance": "overlap outside_crediting",
    "ccer_cancellation": "over_cancelled",
    "green_certificate": "period_order",
    "eia_project": "intensity enumeration",
    "loan": "not_month_end range",
    "pcf_standard": "enumeration",
    "label_certificate": "validity_order disclosure_unknown enterprise_mismatch",
    "policy_task": "range",
    "meter_reading": "negative",
}
GATE_STAGES = "raw_material_kg_co2e is not null and production_kg_co2e is not null"
LAST_STAGES = "distribution_kg_co2e is null and use_kg_co2e is null and end_of_life_kg_co2e is null"
# What a clean row must satisfy; `f` are the rows of the source named first.
CLEAN = {
    "enterprise: province is in the list": (
        "enterprise f",
        "province_code in (select province_code from province where province_code <> '000000')",
    ),
    "enterprise: industry is in the list": ("enterprise f", "industry_code in (select industry_code from industry)"),
    "enterprise: says that it is synthetic": ("enterprise f", "enterprise_name like '示范%（合成）%'"),
    "footprint: revision from 1, known product": ("product_footprint f join product_catalogue using (product_code)", "revision >= 1"),
    "footprint: product is in the list": ("product_footprint f", "product_code in (select product_code from product_catalogue)"),
    "footprint: enterprise is known": ("product_footprint f", "enterprise_id in (select enterprise_id from enterprise)"),
    "footprint: enumerations": (
        "product_footprint f",
        "boundary in ('cradle_to_gate', 'cradle_to_grave') and gwp_set in ('AR4', 'AR5', 'AR6') "
        "and declared_unit in ('kg', 't', 'kWh', 'MWh', 'GJ', 'm2', 'm3', 'L', 'km', 'piece', 'W', 'kW')",
    ),
    "footprint: ranges": (
        "product_footprint f",
        "total_kg_co2e > 0 and coalesce(output_quantity, 1) > 0 and coalesce(removals_kg_co2e, 0) >= 0 "
        "and coalesce(primary_data_share, 0) between 0 and 1 and coalesce(data_quality_rating, 1) between 1 and 5",
    ),
    "footprint: breakdown is whole or absent": (
        "product_footprint f",
        f"case when boundary = 'cradle_to_gate' then {LAST_STAGES} and (raw_material_kg_co2e is null) = (production_kg_co2e is null) "
        f"else ({GATE_STAGES} and distribution_kg_co2e is not null and use_kg_co2e is not null and end_of_life_kg_co2e is not null) "
        f"or ({LAST_STAGES} and raw_material_kg_co2e is null and production_kg_co2e is null) end",
    ),
    "footprint: stages sum to the total": (
        "product_footprint f",
        "raw_material_kg_co2e is null or abs(raw_material_kg_co2e + production_kg_co2e + coalesce(distribution_kg_co2e, 0) "
        "+ coalesce(use_kg_co2e, 0) + coalesce(end_of_life_kg_co2e, 0) - total_kg_co2e) <= 0.005 * total_kg_co2e",
    ),
    "footprint: stages are not negative": (
        "product_footprint f",
        "least(coalesce(raw_material_kg_co2e, 0), coalesce(production_kg_co2e, 0), coalesce(distribution_kg_co2e, 0), "
        "coalesce(use_kg_co2e, 0)) >= 0",
    ),
    "footprint: period is 1 to 731 days and over when submitted": (
        "product_footprint f",
        "period_end - period_start + 1 between 1 and 731 "
        "and period_end <= cast(left(submitted_at, 10) as date) and year(period_end) between 2022 and 2025",
    ),
    "footprint: verified by somebody, between period and submission": (
        "product_footprint f",
        "(verifier_name is null) = (verified_on is null) "
        "and (verified_on is null or verified_on between period_end and cast(left(submitted_at, 10) as date))",
    ),
    "footprint: unit is of the product's dimension": (
        "product_footprint f join product_catalogue p using (product_code) join unit declared on declared.unit = f.declared_unit "
        "join unit listed on listed.unit = p.declared_unit",
        "declared.dimension = listed.dimension",
    ),
    "footprint: no outliers": (
        "(select total_kg_co2e * l.factor_to_base / d.factor_to_base as total, product_code from product_footprint f "
        "join product_catalogue p using (product_code) join unit d on d.unit = f.declared_unit join unit l on l.unit = p.declared_unit) f "
        "join (select median(total_kg_co2e * l.factor_to_base / d.factor_to_base) as middle, product_code from product_footprint f "
        "join product_catalogue p using (product_code) join unit d on d.unit = f.declared_unit join unit l on l.unit = p.declared_unit "
        "group by all) m using (product_code)",
        "total between middle / 20 and middle * 20",
    ),
    "line: its disclosure is known": (
        "footprint_activity f",
        "(disclosure_id, revision) in (select (disclosure_id, revision) from product_footprint)",
    ),
    "line: enumerations and range": (
        "footprint_activity f",
        "stage in ('raw_material', 'production', 'distribution', 'use', 'end_of_life') "
        "and data_source in ('primary', 'secondary') and quantity >= 0",
    ),
    "line: unit is of the activity's dimension": (
        "footprint_activity f left join activity a using (activity_code) left join unit u using (unit)",
        "a.dimension = u.dimension",
    ),
    "line: geography is a province, CN or GLO": (
        "footprint_activity f",
        "geography_code in ('CN', 'GLO') "
        "or geography_code in (select province_code from province where province_code not in ('000000', '990000'))",
    ),
    "line: another disclosure of the same GWP set supplies it": (
        "footprint_activity f",
        "supplier_disclosure_id is null or (supplier_disclosure_id <> disclosure_id "
        "and supplier_disclosure_id in (select disclosure_id from product_footprint where boundary = 'cradle_to_gate'))",
    ),
    "factor: validity, value, publication": (
        "emission_factor f",
        "(valid_to is null or valid_from < valid_to) and kg_co2e_per_unit >= 0 and published_on <= date '2026-05-07' "
        "and factor_family in ('footprint', 'direct_co2') and coalesce(uncertainty_pct, 0) >= 0 and length(citation) > 0",
    ),
    "factor: unit is of the activity's dimension": (
        "emission_factor f left join activity a using (activity_code) left join unit u using (unit)",
        "a.dimension = u.dimension",
    ),
    "factor: geography is known": (
        "emission_factor f",
        "geography_code in ('CN', 'GLO') or geography_code in (select geography_code from grid_region) "
        "or geography_code in (select province_code from province)",
    ),
    "factor: validity does not overlap": (
        "(select count(*) over (partition by activity_code, geography_code, factor_family, edition) as together "
        "from (select distinct * from emission_factor)) f",
        "together = 1",
    ),
    "quote: low <= open, close <= high": (
        "market_quote f",
        "low_cny_per_t is null or (close_cny_per_t between low_cny_per_t and high_cny_per_t "
        "and open_cny_per_t between low_cny_per_t and high_cny_per_t)",
    ),
    "quote: price limits": (
        "market_quote f",
        "abs(close_cny_per_t / previous_close_cny_per_t - 1) <= case trade_method when 'listed' then 0.1 else 0.3 end",
    ),
    "quote: turnover fits": (
        "market_quote f",
        "volume_t = 0 or case when low_cny_per_t is null then abs(turnover_cny / volume_t / close_cny_per_t - 1) <= 0.005 "
        "else turnover_cny / volume_t between low_cny_per_t - 1e-9 and high_cny_per_t + 1e-9 end",
    ),
    "surrender: by somebody with a facility in that year": (
        "(select distinct * from ets_surrender) f",
        "(enterprise_id, compliance_year) in (select (enterprise_id, compliance_year) from ets_facility_year)",
    ),
    "cancellation: together not more than issued": (
        "(select issuance_id, sum(quantity_t_co2e) as taken from (select distinct * from ccer_cancellation) group by all) f "
        "join (select distinct * from ccer_issuance) i using (issuance_id)",
        "taken between 0 and quantity_t_co2e",
    ),
    "approval: promised per unit is what is promised in all": (
        "eia_project f",
        "abs(1000 * (direct_t_co2e + energy_indirect_t_co2e) / annual_capacity / intensity_kg_co2e_per_unit - 1) < 0.01",
    ),
    "label: of a disclosure of its enterprise and product": (
        "label_certificate f",
        "(disclosure_id, enterprise_id, product_code) in (select (disclosure_id, enterprise_id, product_code) from product_footprint)",
    ),
    "trade: on a trading day": ("market_trade f", "cast(left(traded_at, 10) as date) in (select trade_date from trading_day)"),
    "task: says that it is synthetic": ("policy_task f", "note like '%合成%'"),
    "quote: trading day, no volume without turnover": (
        "market_quote f",
        "trade_date in (select trade_date from trading_day) and (volume_t = 0) = (turnover_cny = 0) and volume_t >= 0",
    ),
}
