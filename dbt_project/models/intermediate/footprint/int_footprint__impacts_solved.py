"""Every footprint that would be another without a factor's newest edition (methods.md M13); the arithmetic is in the module it calls."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from warehouse.factor_impact import Counterfactuals, withdraw_editions
from warehouse.supplier_network import Network


def model(dbt: Any, session: Any) -> pa.Table:
    """One row per edition and disclosure whose figure or status depends on it."""
    dbt.config(materialized="table")
    disclosures = (
        dbt.ref("int_footprint__lines_summed")
        .order("network_number")
        .project("network_number, factor_kg_co2e, declared_kg_co2e, recalculation_status = 'complete' as is_complete, priced_line_count")
        .fetchnumpy()
    )
    solved = (
        dbt.ref("int_footprint__network_solved").order("network_number").project("recalculated_kg_co2e, is_divergent_loop").fetchnumpy()
    )
    links = dbt.ref("int_footprint__links_numbered").project("buyer_number, supplier_number, supplier_quantity").fetchnumpy()
    repriced = (
        dbt.ref("int_footprint__lines_repriced")
        .order("edition_number, network_number")
        .project("edition_number, network_number, factor_kg_co2e, is_complete, priced_line_count")
        .fetchnumpy()
    )
    found = withdraw_editions(
        Network.of_figures(
            own_kg_co2e=disclosures["factor_kg_co2e"],
            declared_kg_co2e=disclosures["declared_kg_co2e"],
            is_complete=disclosures["is_complete"],
            link_buyer=links["buyer_number"],
            link_supplier=links["supplier_number"],
            link_quantity=links["supplier_quantity"],
        ),
        solved["recalculated_kg_co2e"],
        solved["is_divergent_loop"],
        disclosures["priced_line_count"],
        Counterfactuals(
            edition=repriced["edition_number"],
            disclosure=repriced["network_number"],
            own_kg_co2e=repriced["factor_kg_co2e"],
            is_complete=repriced["is_complete"],
            priced_line_count=repriced["priced_line_count"],
        ),
    )
    return pa.table(
        {
            "edition_number": found.edition,
            "network_number": found.disclosure,
            "without_kg_co2e": pa.array(found.recalculated_kg_co2e, from_pandas=True),  # NaN, nothing priced, becomes null
            "is_complete_without": found.is_complete,
        }
    )
