"""The forecasts that the method would have made at the end of every past month (methods.md M11)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa

from warehouse.forecast import Forecast, forecast_issues


def model(dbt: Any, session: Any) -> pa.Table:
    """One row per target and month of origin. Without a milestone there is an interval, and no probability."""
    dbt.config(materialized="table")
    origins = dbt.ref("int_policy__origins_counted").order("document, indicator, jurisdiction_code, target_year, month").to_arrow_table()
    share, horizon = float(dbt.config.get("forecast_share")), int(dbt.config.get("backtest_horizon_months"))

    @cache
    def forecast(value: int, milestone: float, mean: float, variance: float) -> Forecast:
        return forecast_issues(value, milestone, horizon, mean, variance, share)

    columns = [origins[name].to_pylist() for name in ("value", "milestone_value", "mean_issues", "variance_issues")]
    forecasts = [
        forecast(value, value if milestone is None else milestone, mean, variance)
        for value, milestone, mean, variance in zip(*columns, strict=True)
    ]
    for name in ("expected_value", "low_value", "high_value"):
        origins = origins.append_column(name, pa.array([getattr(found, name) for found in forecasts], type=pa.float64()))
    told = [None if milestone is None else found.probability for found, milestone in zip(forecasts, columns[1], strict=True)]
    return origins.append_column("probability", pa.array(told, type=pa.float64()))
