"""Which cells of the public statistics are withheld, and why (methods.md M4); the choice is made in the module it calls."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from warehouse.disclosure.publication import suppress_cells


def model(dbt: Any, session: Any) -> pa.Table:
    """One row per cell, and one per table with enterprises that have no known province."""
    dbt.config(materialized="table")
    cells = dbt.ref("int_footprint__contributions_ranked").to_arrow_table()
    earlier = dbt.ref("int_footprint__totals_published").to_arrow_table()
    return suppress_cells(cells, earlier, float(dbt.config.get("suppression_seconds")))
