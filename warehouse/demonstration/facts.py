"""What the demonstration stands on: the project's own reference lists and the cited tables in `facts/`."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

FACTS = Path(__file__).parent / "facts"
SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "reference"
YEARS = (2022, 2023, 2024, 2025)
STAGES = ("raw_material", "production", "distribution", "use", "end_of_life")


def read_rows(path: Path) -> list[dict[str, str]]:
    """All cells as text: codes such as 000000 are not numbers."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Facts:
    """The tables by name; arrays are aligned with `products` and `recipes`."""

    products: list[dict[str, str]]
    recipes: list[dict[str, str]]
    provinces: list[dict[str, str]]
    published_factors: list[dict[str, str]]
    synthetic_factors: list[dict[str, str]]
    standards: list[dict[str, str]]
    cea_months: list[dict[str, str]]
    emitters: list[dict[str, str]]
    credit_activities: list[dict[str, str]]
    catalogue: dict[str, dict[str, str]]
    province_names: dict[str, str]
    activity_names: dict[str, str]
    unit_factors: dict[str, float]
    trading_days: list[str]

    @cached_property
    def product_codes(self) -> list[str]:
        return [row["product_code"] for row in self.products]

    @cached_property
    def recipe_products(self) -> np.ndarray:
        """Index of the product of every recipe line, ascending: the lines of a product stand together."""
        position = {code: index for index, code in enumerate(self.product_codes)}
        return np.array([position[row["product_code"]] for row in self.recipes])

    @cached_property
    def recipe_offsets(self) -> np.ndarray:
        return np.searchsorted(self.recipe_products, np.arange(len(self.products)))

    @cached_property
    def recipe_stages(self) -> np.ndarray:
        return np.array([STAGES.index(row["stage"]) for row in self.recipes])

    def count_recipe_lines(self, gate_only: bool) -> np.ndarray:
        """Lines per product; recipes list the two stages up to the gate first."""
        kept = self.recipe_products[self.recipe_stages < 2] if gate_only else self.recipe_products
        return np.bincount(kept, minlength=len(self.products))


def load_facts() -> Facts:
    """Products and recipes come back in one order, whatever order their files have."""
    catalogue = {row["product_code"]: row for row in read_rows(SEEDS / "product_catalogue.csv")}
    products = read_rows(FACTS / "products.csv")
    position = {row["product_code"]: index for index, row in enumerate(products)}
    recipes = read_rows(FACTS / "recipes.csv")
    recipes.sort(key=lambda row: (position[row["product_code"]], STAGES.index(row["stage"])))
    return Facts(
        products=products,
        recipes=recipes,
        provinces=read_rows(FACTS / "provinces.csv"),
        published_factors=read_rows(FACTS / "published_factors.csv"),
        synthetic_factors=read_rows(FACTS / "synthetic_factors.csv"),
        standards=read_rows(FACTS / "standards.csv"),
        cea_months=read_rows(FACTS / "cea_months.csv"),
        emitters=read_rows(FACTS / "emitters.csv"),
        credit_activities=read_rows(FACTS / "credit_activities.csv"),
        catalogue=catalogue,
        province_names={row["province_code"]: row["name_zh"] for row in read_rows(SEEDS / "province.csv")},
        activity_names={row["activity_code"]: row["name_zh"] for row in read_rows(SEEDS / "activity.csv")},
        unit_factors={row["unit"]: float(row["factor_to_base"]) for row in read_rows(SEEDS / "unit.csv")},
        trading_days=[row["trade_date"] for row in read_rows(SEEDS / "trading_day.csv")],
    )
