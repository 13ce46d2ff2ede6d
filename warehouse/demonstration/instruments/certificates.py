"""Green certificates of the synthetic wind and solar enterprises; a few batches claim what a credit was issued for as well."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.instruments.compliance import PLANTED
from warehouse.demonstration.instruments.credits import PERIODS, Credits, name_all

BATCHES = 4
MOST_BATCHES = 20_000


def make_certificates(country: Country, credits: Credits, rng: np.random.Generator) -> tuple[pa.Table, pa.Table, list[str]]:
    """The first stage's batches, the second's, and the double claims as the findings name them."""
    projects = credits.projects
    claimed = np.flatnonzero(~projects.is_legacy & (projects.facility < 0))[:PLANTED]
    # The second monitoring period of each claimed project, from its tenth day on for thirty days.
    issuance = claimed * PERIODS + 1
    count = min(MOST_BATCHES, max(12, BATCHES * (country.main == country.facts.product_codes.index("ELEC-WIND")).sum()))
    start = np.concatenate([credits.issuances.start[issuance] + 10, np.datetime64("2024-01-01") + 30 * rng.integers(0, 24, count)])
    project = np.concatenate([claimed, np.full(count, -1)])
    domestic = np.flatnonzero(country.provinces != "990000")
    purchaser = domestic[rng.integers(0, len(domestic), len(start))]
    sold = rng.random(len(start)) < 0.7
    table = pa.table(
        {
            "batch_id": pa.array(name_all("GEC", np.arange(len(start)))),
            "ccer_project_id": pa.array(name_all("PRJ", np.maximum(project, 0)), mask=project < 0),
            "generation_start": pa.array(start, pa.date32()),
            "generation_end": pa.array(start + 29, pa.date32()),
            "energy_mwh": pa.array(rng.integers(2_000, 20_000, len(start))),
            "issued_on": pa.array(start + 60, pa.date32()),
            "purchaser_id": country.enterprise_ids.take(pa.array(purchaser, mask=~sold)),
        }
    )
    claims = ["|".join(pair) for pair in zip(name_all("GEC", np.arange(len(claimed))), name_all("ISS", issuance), strict=True)]
    return table.slice(0, table.num_rows - 3), table.slice(table.num_rows - 3), sorted(claims)
