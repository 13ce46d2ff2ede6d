"""Standards that will be issued until each target year, and how likely the target is then met (methods.md M11)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from warehouse.forecast import forecast_issues


def model(dbt: Any, session: Any) -> pa.Table:
    """One row per target of a number of standards."""
    dbt.config(materialized="table")
    targets = dbt.ref("int_policy__issues_counted").order("document, indicator, jurisdiction_code, target_year").to_arrow_table()
    share = float(dbt.config.get("forecast_share"))
    forecasts = [
        forecast_issues(row["value"], row["target_value"], row["months_left"], row["mean_issues"], row["variance_issues"], share)
        for row in targets.to_pylist()
    ]
    for name in ("expected_value", "low_value", "high_value", "probability"):
        targets = targets.append_column(name, pa.array([getattr(forecast, name) for forecast in forecasts], type=pa.float64()))
    return targets
