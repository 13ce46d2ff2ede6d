-- The days over which metrics may be asked, from the first that the contracts can speak of to the last known one.
with

days as (
    select {{ days_of("cast('2010-01-01' as date)", as_of_day()) }} as day_on
),

final as (
    select cast(days.day_on as date) as day_on
    from days
)

select * from final
