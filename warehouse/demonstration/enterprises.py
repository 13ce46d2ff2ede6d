"""Synthetic enterprises: valid credit codes that no registry has issued, names that say what they are."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.facts import Facts

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015: no I, O, S, V, Z
CODE_WEIGHTS = np.array([3**position % 31 for position in range(17)])
ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])  # GB 11714
# Registries give organisation codes in digits or with the prefix MA and its successors; DEM is none of them.
SYNTHETIC_PREFIX = "DEM"
ABROAD_SHARE = 0.01
SECOND_PRODUCT_SHARE = 0.35
HOME_WEIGHT = 5.0


def make_credit_codes(province_codes: np.ndarray, serials: np.ndarray) -> np.ndarray:
    """18-character codes (GB 32100-2015): 91, the province's area code, a synthetic organisation code, both check characters.

    Args: arrays of n six-digit codes and n serial numbers below 31**5. Returns n unicode strings.
    """
    if len(serials) and serials.max() >= 31**5:
        raise ValueError(f"serial numbers must stay below {31**5}, found {serials.max()}")
    digits = np.zeros((len(serials), 18), dtype=np.int64)
    digits[:, 0], digits[:, 1] = 9, 1
    digits[:, 2:8] = province_codes.astype("U6").view("U1").reshape(-1, 6).astype(np.int64)
    digits[:, 8:11] = [ALPHABET.index(letter) for letter in SYNTHETIC_PREFIX]
    for place in range(5):
        digits[:, 15 - place] = serials // 31**place % 31
    characters = np.array(list(ALPHABET))
    ascii_values = np.array([int(letter) if letter.isdigit() else ord(letter) - 55 for letter in ALPHABET])
    organisation_check = 11 - (ascii_values[digits[:, 8:16]] * ORGANISATION_WEIGHTS).sum(axis=1) % 11
    organisation_check[organisation_check == 11] = 0
    digits[:, 16] = np.where(organisation_check == 10, ALPHABET.index("X"), organisation_check)
    digits[:, 17] = (31 - (digits[:, :17] * CODE_WEIGHTS).sum(axis=1) % 31) % 31
    return np.ascontiguousarray(characters[digits]).view("U18").ravel()


def choose_products(facts: Facts, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Main product of every enterprise and its second one (-1: none), as indices into the products."""
    weights = np.array([float(row["weight"]) for row in facts.products])
    main = rng.choice(len(weights), size=count, p=weights / weights.sum())
    main[: len(weights)] = np.arange(len(weights))[:count]  # every priority product has somebody who makes it
    companions = np.array([facts.product_codes.index(row["companion_product"]) for row in facts.products])
    return main, np.where(rng.random(count) < SECOND_PRODUCT_SHARE, companions[main], -1)


def choose_provinces(facts: Facts, main_products: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Province codes; a product's home provinces are HOME_WEIGHT times as likely."""
    codes = np.array([row["province_code"] for row in facts.provinces])
    weights = np.array([float(row["weight"]) for row in facts.provinces])
    chosen = np.empty(len(main_products), dtype=codes.dtype)
    for index, product in enumerate(facts.products):
        mask = main_products == index
        tilted = weights * np.where(np.isin(codes, product["home_provinces"].split(";")), HOME_WEIGHT, 1.0)
        chosen[mask] = rng.choice(codes, size=mask.sum(), p=tilted / tilted.sum())
    return chosen


def make_enterprises(facts: Facts, main_products: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """The contract's four columns, one row per enterprise in the order of `main_products`."""
    provinces = choose_provinces(facts, main_products, rng)
    serials = np.arange(1, len(main_products) + 1)
    codes = make_credit_codes(provinces, serials).astype(object)
    labels = np.array([facts.province_names[row["province_code"]] for row in facts.provinces], dtype=object)
    order = np.array([row["province_code"] for row in facts.provinces])
    numbers = np.char.zfill(serials.astype(str), 4).astype(object)
    names = "示范企业-" + labels[np.searchsorted(order, provinces)] + "-" + numbers + "（合成）"
    abroad = rng.random(len(serials)) < ABROAD_SHARE
    codes[abroad] = "name:DEMO-OVERSEAS-" + numbers[abroad]
    names[abroad] = "示范境外企业-" + numbers[abroad] + "（合成）"
    industries = np.array([facts.catalogue[code]["industry_code"] for code in facts.product_codes], dtype=object)
    return pa.table(
        {
            "enterprise_id": pa.array(codes, pa.string()),
            "enterprise_name": pa.array(names, pa.string()),
            "province_code": pa.array(np.where(abroad, "990000", provinces).astype(object), pa.string()),
            "industry_code": pa.array(industries[main_products], pa.string()),
        }
    )


def restate_enterprises(table: pa.Table, facts: Facts, rng: np.random.Generator, share: float) -> tuple[np.ndarray, pa.Table]:
    """A share of them again with another province or a new name: returns their row indices and the restated rows."""
    indices = np.sort(rng.choice(table.num_rows, size=max(3, round(share * table.num_rows)), replace=False))
    taken = table.take(pa.array(indices))
    provinces = np.array(taken["province_code"].to_pylist(), dtype=object)
    names = np.array(taken["enterprise_name"].to_pylist(), dtype=object)
    moved = (rng.random(len(indices)) < 0.5) & (provinces != "990000")
    targets = np.array([row["province_code"] for row in facts.provinces], dtype=object)
    new_provinces = targets[(np.searchsorted(targets.astype(str), provinces.astype(str)) + 1) % len(targets)]
    restated = taken.set_column(2, "province_code", pa.array(np.where(moved, new_provinces, provinces), pa.string()))
    renamed = np.where(moved, names, names + "-更名")
    return indices, restated.set_column(1, "enterprise_name", pa.array(renamed, pa.string()))
