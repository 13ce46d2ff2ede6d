"""Five synthetic banks and what they lent at the end of each quarter."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.enterprises import make_credit_codes

BANKS = 5
BANK_PROVINCES = ("110000", "310000", "440000", "370000", "420000")
# The last serial numbers that a credit code can hold, so that no enterprise has them.
LAST_SERIAL = 31**5 - 1
BORROWER_SHARE = 0.4
MOST_BORROWERS = 1_500
FIRST_QUARTERS = ("2025-06-30", "2025-09-30", "2025-12-31", "2026-03-31")
LATER_QUARTERS = ("2026-06-30",)


def name_banks() -> np.ndarray:
    return make_credit_codes(np.array(BANK_PROVINCES), LAST_SERIAL - np.arange(BANKS))


def make_loans(country: Country, approvals: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Loans of the first stage's quarters and of the second's; a tenth of the borrowers is unknown to every other source."""
    count = int(min(MOST_BORROWERS, max(40, BORROWER_SHARE * country.enterprises.num_rows)))
    borrower = rng.choice(country.enterprises.num_rows, size=min(count, country.enterprises.num_rows), replace=False)
    ids = np.array(country.enterprise_ids.to_pylist(), dtype=object)[borrower]
    unknown = rng.random(len(borrower)) < 0.1
    ids[unknown] = make_credit_codes(np.repeat("330000", unknown.sum()), LAST_SERIAL - BANKS - np.arange(unknown.sum()))
    projects = dict(zip(approvals["enterprise_id"].to_pylist(), approvals["eia_id"].to_pylist(), strict=True))
    eia = np.array([projects.get(code) for code in ids], dtype=object)
    is_project = np.array([name is not None for name in eia]) & (rng.random(len(ids)) < 0.6)
    bank = name_banks()[rng.integers(0, BANKS, len(ids))]
    outstanding = rng.lognormal(np.log(1.5e8), 0.8, len(ids))
    value = outstanding * rng.uniform(2.5, 18.0, len(ids))
    is_green = rng.random(len(ids)) < 0.3

    def show(quarters: tuple[str, ...], first: int) -> pa.Table:
        copies = len(quarters)
        step = np.repeat(np.arange(copies) + first, len(ids))
        place = np.tile(np.arange(len(ids)), copies)
        return pa.table(
            {
                "bank_id": pa.array(bank[place]),
                "loan_id": pa.array(np.char.add("DEMO-LN-", np.char.zfill(place.astype(str), 6))),
                "as_of": pa.array(np.array(quarters, "datetime64[D]")[step - first], pa.date32()),
                "borrower_id": pa.array(ids[place], pa.string()),
                "outstanding_cny": pa.array(np.round(outstanding[place] * 0.97**step, 2)),
                "borrower_total_value_cny": pa.array(np.round(value[place] * 1.01**step, 2)),
                "catalogue_code": pa.array(["DEMO-GREEN"]).take(pa.array(np.zeros(len(place), int), mask=~is_green[place])),
                "use_of_proceeds": pa.array(np.where(is_project, "project", "general")[place]),
                "eia_id": pa.array(eia[place], pa.string(), mask=~is_project[place]),
            }
        )

    return show(FIRST_QUARTERS, 0), show(LATER_QUARTERS, len(FIRST_QUARTERS))
