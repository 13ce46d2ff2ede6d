-- No surrendered offset is left out of the uses, to the last digit (methods.md M8).
with

uses as (
    select coalesce(sum(uses_by_year.surrendered_national_t_co2e + uses_by_year.surrendered_elsewhere_t_co2e), 0) as surrendered_t_co2e
    from {{ ref('ccer__offset_uses_by_year') }} as uses_by_year
),

landed as (
    select coalesce(sum(case when surrenders.instrument_kind = 'offset' then surrenders.surrendered_t_co2e end), 0) as surrendered_t_co2e
    from {{ ref('stg_ets_surrenders') }} as surrenders
)

select
    uses.surrendered_t_co2e,
    landed.surrendered_t_co2e as landed_t_co2e
from uses
cross join landed
where uses.surrendered_t_co2e <> landed.surrendered_t_co2e
