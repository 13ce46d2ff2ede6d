with

days as (
    select * from {{ ref('int_ets__trading_days_filled') }}
),

returns as (
    select
        days.market,
        days.instrument,
        days.day_number,
        case
            when days.is_carried and previous_days.close_cny_per_t is not null then 0
            else ln(cast(days.close_cny_per_t as double) / cast(nullif(previous_days.close_cny_per_t, 0) as double))
        end as log_return
    from days
    left join days as previous_days
        on
            days.market = previous_days.market
            and days.instrument = previous_days.instrument
            and days.day_number = previous_days.day_number + 1
),

-- A join rather than a window: a frame's moments may be merged in another order with other threads.
windows as (
    select
        returns.market,
        returns.instrument,
        returns.day_number,
        count(recent_returns.log_return) as return_count,
        {{ ordered_stddev('recent_returns.log_return') }} as stddev_log_return
    from returns
    inner join returns as recent_returns
        on
            returns.market = recent_returns.market
            and returns.instrument = recent_returns.instrument
            and recent_returns.day_number
            between returns.day_number - {{ var('volatility_window_days') }} + 1 and returns.day_number
    group by
        returns.market,
        returns.instrument,
        returns.day_number
),

final as (
    select
        returns.market,
        returns.instrument,
        returns.day_number,
        returns.log_return,
        case
            when windows.return_count = {{ var('volatility_window_days') }}
                then windows.stddev_log_return * sqrt({{ var('trading_days_per_year') }})
        end as volatility_30d
    from returns
    inner join windows
        on
            returns.market = windows.market
            and returns.instrument = windows.instrument
            and returns.day_number = windows.day_number
)

select * from final
