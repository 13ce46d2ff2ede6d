"""How the synthetic country gets on with the plan: standards through their stages, labels on products, the 22 tasks."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country, Split
from warehouse.demonstration.facts import SEEDS, YEARS, read_rows
from warehouse.demonstration.tables import name_disclosures

STANDARDS = 118
STAGES = ("planned", "drafting", "consultation", "issued")
LEVELS = ("national", "industry", "local", "group")
TASKS = 22
TASK_STATES = ("not_started", "in_progress", "done")
FIRST_HALVES = ("2024-12-31", "2025-06-30", "2025-12-31")
LATER_HALF = "2026-06-30"
LABEL_SHARE = 0.06
SECOND_STAGE_FROM = np.datetime64("2026-07-01")


def make_standards(country: Country, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """The published standards with a known day of issue, and synthetic ones; those after the first stage's day come second."""
    facts = country.facts
    number = np.arange(STANDARDS)
    product = number % len(facts.products)
    level = np.where(
        number < len(facts.products) * 2,
        rng.choice(4, STANDARDS, p=[0.75, 0.1, 0.05, 0.1]),
        rng.choice(4, STANDARDS, p=[0.4, 0.15, 0.2, 0.25]),
    )
    local = np.array([row["province_code"] for row in read_rows(SEEDS / "pilot_region.csv")])[rng.integers(0, 10, STANDARDS)]
    planned = np.datetime64("2023-11-22") + np.sort(rng.integers(0, 900, STANDARDS))
    steps = np.cumsum(np.column_stack([np.zeros(STANDARDS, int), *(rng.integers(40, 170, STANDARDS) for _ in STAGES[1:])]), axis=1)
    day = planned[:, None] + steps
    place, stage = np.nonzero(day < np.datetime64("2026-10-10"))
    days = day[place, stage]
    codes = np.char.add("DEMO/PCF-", np.char.zfill(number.astype(str), 3))
    names = np.array([facts.catalogue[code]["name_zh"] for code in facts.product_codes])
    titles = np.char.add(np.char.add("示范标准 产品碳足迹量化方法与要求 ", names[product]), "（合成）")
    table = pa.table(
        {
            "standard_code": pa.array(codes[place]),
            "title": pa.array(titles[place]),
            "product_code": pa.array(np.array(facts.product_codes)[product[place]]),
            "level": pa.array(np.array(LEVELS)[level[place]]),
            "jurisdiction_code": pa.array(np.where(level == 2, local, "CN")[place]),
            "stage": pa.array(np.array(STAGES)[stage]),
            "stage_on": pa.array(days, pa.date32()),
            "counts_to_target": pa.array(np.repeat("true", len(place))),
            "supersedes_standard_code": pa.nulls(len(place), pa.string()),
        }
    )
    known = [row for row in facts.standards if row["issued_on"]]
    published = pa.Table.from_pylist(
        [
            {
                "standard_code": row["standard_code"],
                "title": row["title"],
                "product_code": row["product_code"],
                "level": row["level"],
                "jurisdiction_code": "CN",
                "stage": "issued",
                "stage_on": np.datetime64(row["issued_on"]).item(),
                "counts_to_target": "true",
                "supersedes_standard_code": None,
            }
            for row in known
        ],
        schema=table.schema,
    )
    is_late = days >= SECOND_STAGE_FROM
    early = table.take(pa.array(np.flatnonzero(~is_late)))
    return pa.concat_tables([published, early]), table.take(pa.array(np.flatnonzero(is_late)))


def make_labels(country: Country, split: Split, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Certificates of disclosures that arrived in the ordinary way; then what became of some of them."""
    base = country.base
    ordinary = np.setdiff1d(np.flatnonzero(base.verified_days_before >= 0), np.concatenate([split.late, split.withheld]))
    domestic = ordinary[(country.provinces[base.enterprise[ordinary]] != "990000") & (base.year[ordinary] >= len(YEARS) - 2)]
    count = min(len(domestic), max(30, round(LABEL_SHARE * len(domestic))))
    chosen = np.sort(rng.choice(domestic, size=count, replace=False))
    pilots = np.array([row["province_code"] for row in read_rows(SEEDS / "pilot_region.csv")])
    provinces = country.provinces[base.enterprise[chosen]]
    issued = np.maximum(base.submitted[chosen].astype("datetime64[D]") + 20, np.datetime64("2025-03-10"))
    table = pa.table(
        {
            "certificate_no": pa.array(np.char.add("DEMO-LBL-", np.char.zfill(np.arange(count).astype(str), 6))),
            "state": pa.array(np.repeat("valid", count)),
            "state_on": pa.array(issued, pa.date32()),
            "disclosure_id": name_disclosures(base.number[chosen], base.year[chosen]),
            "enterprise_id": country.enterprise_ids.take(pa.array(base.enterprise[chosen])),
            "product_code": pa.array(np.array(country.facts.product_codes)[base.product[chosen]]),
            "certifier": pa.array(np.repeat("示范认证机构（合成）", count)),
            "scheme": pa.array(np.repeat("示范产品碳标识（合成）", count)),
            "pilot_region_code": pa.array(provinces.astype(object), pa.string(), mask=~np.isin(provinces, pilots)),
            "issued_on": pa.array(issued, pa.date32()),
            "expires_on": pa.array(issued + 3 * 365, pa.date32()),
        }
    )
    changed = table.slice(0, max(3, count // 12))
    states = pa.array(np.where(np.arange(changed.num_rows) % 3 == 0, "revoked", "suspended"))
    day = pa.array(np.repeat(np.datetime64("2026-09-01"), changed.num_rows), pa.date32())
    return table, changed.set_column(1, "state", states).set_column(2, "state_on", day)


def make_tasks(rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """A state per task and half year that never goes back; the note says that it is synthetic."""
    pace = rng.uniform(0.25, 0.8, TASKS)
    halves = (*FIRST_HALVES, LATER_HALF)
    state = np.minimum(2, np.floor(pace[:, None] * (np.arange(len(halves)) + 0.6))).astype(int)
    half, task = (grid.ravel() for grid in np.meshgrid(np.arange(len(halves)), np.arange(TASKS), indexing="ij"))
    table = pa.table(
        {
            "task_no": pa.array(task + 1),
            "as_of": pa.array(np.array(halves, "datetime64[D]")[half], pa.date32()),
            "status": pa.array(np.array(TASK_STATES)[state[task, half]]),
            "note": pa.array(np.repeat("示范进展（合成）", len(task))),
        }
    )
    before = TASKS * len(FIRST_HALVES)
    return table.slice(0, before), table.slice(before)
