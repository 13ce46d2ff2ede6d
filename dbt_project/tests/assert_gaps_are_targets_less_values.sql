-- Every target has its row each month, and forecasts start from the value that the progress table shows now (methods.md M11).
select
    progress.month,
    progress.document,
    progress.indicator,
    progress.jurisdiction_code,
    progress.target_year
from {{ ref('policy__target_progress_by_month') }} as progress
left join {{ ref('policy__target_forecasts') }} as forecasts
    on
        progress.document = forecasts.document
        and progress.indicator = forecasts.indicator
        and progress.jurisdiction_code = forecasts.jurisdiction_code
        and progress.target_year = forecasts.target_year
        and progress.needed_per_month is not null
where
    progress.gap <> progress.target_value - progress.value
    or forecasts.value <> progress.value
    or forecasts.low_value > forecasts.high_value
    or forecasts.low_value < forecasts.value
    or (forecasts.value >= forecasts.target_value and forecasts.probability < 1)
