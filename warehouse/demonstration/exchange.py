"""Footprints as their senders exchange them: PACT documents of both major versions, with labels, so that there is something to share.

They are of products that their enterprise does not disclose otherwise, and state no output: no total of the country counts one twice.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country
from warehouse.demonstration.facts import YEARS
from warehouse.demonstration.files import Row, Stage, read_as_text, write_rows
from warehouse.demonstration.truth import Truth

DAY = "2026-09-18"
IN_EACH_VERSION = 4
MOST_EXAMPLES, NEAR = 2_000, 0.97
# A mass in the row's unit, in kg: PACT has no tonne, and the mass that it asks for is known of these without another fact.
UNITS: dict[str, float] = {"t": 1000.0, "kg": 1.0}
NAMESPACE = uuid.UUID("5a4e0000-0000-4000-8000-0000000000ff")


@dataclass(frozen=True)
class Exchanged:
    """A product that the enterprise has not disclosed, and the row of another one whose figure it is near."""

    identifier: str
    enterprise_id: str
    enterprise_name: str
    example: Row

    @property
    def figure(self) -> str:
        """kgCO2e per kg: near the example's, and a figure of its own."""
        return f"{NEAR * float(self.example['total_kg_co2e'] or 0) / UNITS[self.example['declared_unit'] or '']:.6f}"


def choose_exchanged(country: Country, rng: np.random.Generator) -> list[Exchanged]:
    """One product each, from the newest year's footprints in units of the exchange, given to enterprises that do not make it."""
    base, codes = country.base, country.facts.product_codes
    newest = np.flatnonzero(base.year == len(YEARS) - 1)[:MOST_EXAMPLES]
    usable: dict[str, Row] = {}
    for row in read_as_text(country.show_footprints(base.take(newest))):
        if row["declared_unit"] in UNITS and row["boundary"] == "cradle_to_gate" and row["gwp_set"] == "AR6":
            usable.setdefault(row["product_code"] or "", row)
    domestic = rng.permutation(np.flatnonzero(country.provinces != "990000"))
    found: list[Exchanged] = []
    for product, example in sorted(usable.items())[: 2 * IN_EACH_VERSION]:
        makers = base.enterprise[base.product == codes.index(product)]
        place = int(domestic[~np.isin(domestic, makers)][0])
        domestic = domestic[domestic != place]
        (chosen,) = read_as_text(country.enterprises.slice(place, 1))
        identifier = str(uuid.uuid5(NAMESPACE, f"{chosen['enterprise_id']} {product}"))
        found.append(Exchanged(identifier, chosen["enterprise_id"] or "", chosen["enterprise_name"] or "", example))
    return found


def describe(found: Exchanged) -> dict[str, Any]:
    """What both versions say alike."""
    product = found.example["product_code"] or ""
    return {
        "id": found.identifier,
        "created": "2026-04-20T09:00:00+08:00",
        "status": "Active",
        "companyName": found.enterprise_name,
        "companyIds": [f"urn:pact:company:uscc:{found.enterprise_id}"],
        "productDescription": "示范数据，非真实产品",
        "productIds": [f"urn:tanlian:product:{product.lower()}"],
        "productNameCompany": f"{found.example['product_name']}",
    }


def write_pact_3(found: Exchanged) -> dict[str, Any]:
    return describe(found) | {
        "specVersion": "3.0.1",
        "pcf": {
            "declaredUnitOfMeasurement": "kilogram",
            "declaredUnitAmount": "1",
            "productMassPerDeclaredUnit": "1",
            "referencePeriodStart": "2025-01-01T00:00:00+08:00",
            "referencePeriodEnd": "2026-01-01T00:00:00+08:00",
            "geographyCountry": "CN",
            "pcfExcludingBiogenicUptake": found.figure,
            "pcfIncludingBiogenicUptake": found.figure,
            "fossilGhgEmissions": found.figure,
            "fossilCarbonContent": "0",
            "ipccCharacterizationFactors": ["AR6"],
            "crossSectoralStandards": ["ISO14067", "PACT-3.0"],
            "exemptedEmissionsPercent": "1.0",
            "packagingEmissionsIncluded": False,
            "primaryDataShare": "60",
            "dqi": {"technologicalDQR": "2.0", "geographicalDQR": "1.5", "temporalDQR": "2.0"},
        },
    }


def write_pact_2(found: Exchanged) -> dict[str, Any]:
    return describe(found) | {
        "specVersion": "2.3.0",
        "version": 1,
        "comment": "示范数据",
        "productCategoryCpc": "0",
        "pcf": {
            "declaredUnit": "kilogram",
            "unitaryProductAmount": "1",
            "pCfExcludingBiogenic": found.figure,
            "pCfIncludingBiogenic": found.figure,
            "fossilGhgEmissions": found.figure,
            "fossilCarbonContent": "0",
            "biogenicCarbonContent": "0",
            "characterizationFactors": "AR6",
            "ipccCharacterizationFactorsSources": ["AR6"],
            "crossSectoralStandardsUsed": ["ISO Standard 14067"],
            "boundaryProcessesDescription": "示范",
            "referencePeriodStart": "2025-01-01T00:00:00Z",
            "referencePeriodEnd": "2026-01-01T00:00:00Z",
            "geographyCountry": "CN",
            "exemptedEmissionsPercent": 1.0,
            "exemptedEmissionsDescription": "",
            "packagingEmissionsIncluded": False,
            "primaryDataShare": 60,
        },
    }


def label(found: Exchanged, place: int) -> Row:
    return {
        "certificate_no": f"DEMO-LBL-PACT-{place:02d}",
        "state": "valid",
        "state_on": "2026-05-20",
        "disclosure_id": found.identifier,
        "enterprise_id": found.enterprise_id,
        "product_code": found.example["product_code"],
        "certifier": "示范认证机构（合成）",
        "scheme": "示范产品碳标识（合成）",
        "pilot_region_code": None,
        "issued_on": "2026-05-20",
        "expires_on": "2029-05-19",
    }


def write_exchanged(country: Country, labels: pa.Table, stage: Stage, truth: Truth, rng: np.random.Generator) -> None:
    """Documents of both versions, and the labels under which they may be shared; the last of each version has none.

    `labels`: the table of labels of the first stage, whose columns these have.
    """
    found = choose_exchanged(country, rng)
    versions = (("3", write_pact_3, found[:IN_EACH_VERSION]), ("2", write_pact_2, found[IN_EACH_VERSION:]))
    for version, write, part in versions:
        path = stage.receive(DAY, "product_footprint", f"{DAY.replace('-', '')}_product_footprint_pact_{version}.json", len(part))
        documents = [write(one) for one in part]
        path.write_text(json.dumps(documents if version == "2" else {"data": documents}, ensure_ascii=False, indent=1), encoding="utf-8")
        truth.count("exchange", "product_footprint", accepted=len(part))
    rows = [label(one, place) for place, one in enumerate((*found[: IN_EACH_VERSION - 1], *found[IN_EACH_VERSION:-1]), 1)]
    path = stage.receive(DAY, "label_certificate", f"{DAY.replace('-', '')}_label_certificate_pact.csv", len(rows))
    write_rows(rows, labels.column_names, path)
    truth.count("exchange", "label_certificate", accepted=len(rows))
