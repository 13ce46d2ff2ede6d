-- What earlier public releases showed and withheld; the release before keeps the list (warehouse/release.py). None: no rows.
with

final as (
    {% if var('earlier_totals') %}
        select
            earlier.product_code,
            earlier.boundary,
            earlier.gwp_set,
            earlier.reporting_year,
            earlier.version,
            earlier.province_code,
            earlier.total_t_co2e,
            earlier.is_published,
            earlier.is_protected
        from {{ parquet_rows(var('earlier_totals')) }} as earlier
    {% else %}
        select
            cast(null as varchar) as product_code,
            cast(null as varchar) as boundary,
            cast(null as varchar) as gwp_set,
            cast(null as integer) as reporting_year,
            cast(null as varchar) as version, -- noqa: RF04
            cast(null as varchar) as province_code,
            cast(null as double) as total_t_co2e,
            cast(null as boolean) as is_published,
            cast(null as boolean) as is_protected
        where false
    {% endif %}
)

select * from final
