"""Footprints of all disclosures along their supplier links (methods.md M2); the arithmetic and its reasons are in the module it calls."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from warehouse.supplier_network import Network, solve_network


def model(dbt: Any, session: Any) -> pa.Table:
    """One row per disclosure in force, by its number in the network."""
    dbt.config(materialized="table")
    disclosures = (
        dbt.ref("int_footprint__lines_summed")
        .order("network_number")
        .project(
            "network_number, factor_kg_co2e, coalesce(factor_variance, case when line_count > 0 then 'nan'::double else 0 end) as variance,"
            " declared_kg_co2e, recalculation_status = 'complete' as is_complete"
        )
        .fetchnumpy()
    )
    links = (
        dbt.ref("int_footprint__links_numbered")
        .project(
            "buyer_number, supplier_number, supplier_quantity, coalesce(default_uncertainty_pct, 'nan'::double) as default_uncertainty_pct"
        )
        .fetchnumpy()
    )
    solution = solve_network(
        Network(
            own_kg_co2e=disclosures["factor_kg_co2e"],
            own_variance=disclosures["variance"],
            declared_kg_co2e=disclosures["declared_kg_co2e"],
            is_complete=disclosures["is_complete"],
            link_buyer=links["buyer_number"],
            link_supplier=links["supplier_number"],
            link_quantity=links["supplier_quantity"],
            link_uncertainty_pct=links["default_uncertainty_pct"],
        )
    )
    return pa.table(
        {
            "network_number": disclosures["network_number"],
            "recalculated_kg_co2e": solution.recalculated_kg_co2e,
            "variance": pa.array(solution.variance, from_pandas=True),  # NaN, an unknown variance, becomes null
            "supplier_depth": solution.supplier_depth,
            "is_divergent_loop": solution.is_divergent_loop,
        }
    )
