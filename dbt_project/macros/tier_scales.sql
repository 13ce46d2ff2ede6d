{# The limits of each cell's tiers as one row, in order of the tiers: what `first_limit` reads. `relation` has a row per cell and tier. #}
{% macro tier_scales(relation) %}
    select
        {{ relation }}.product_code,
        {{ relation }}.boundary,
        {{ relation }}.gwp_set,
        {{ relation }}.reporting_year,
        {{ ordered_list(relation ~ '.upper_kg_co2e', relation ~ '.tier') }} as upper_limits,
        {{ ordered_list(relation ~ '.tier', relation ~ '.tier') }} as tiers,
        max({{ relation }}.tier) as last_tier
    from {{ relation }}
    group by
        {{ relation }}.product_code,
        {{ relation }}.boundary,
        {{ relation }}.gwp_set,
        {{ relation }}.reporting_year
{% endmacro %}
