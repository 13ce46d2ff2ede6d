"""PACT `ProductFootprint`, versions 2.0 to 2.3 and 3.0.

Field names and requirements are those of the published OpenAPI 2.3.3 and 3.0.4 (WBCSD PACT, MIT licence). Versions 2.0 to 2.2 name the fields
read here as 2.3 does; what 2.3 added to them is optional.
"""

from __future__ import annotations

import re

from ingest.contract import Message
from ingest.documents.footprint import Names, paths_of, read_footprint
from ingest.documents.record import Document, Kind, Record, find, text_of, unknown_version

TITLE = Message("PACT ProductFootprint", "PACT ProductFootprint")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.\d{1,5}(?:-\d{8})?")  # the pattern of specVersion in both OpenAPI files

TWO = Names(
    unit="pcf.declaredUnit",
    total="pcf.pCfExcludingBiogenic",
    uptake="pcf.biogenicCarbonWithdrawal",
    gwp_sets=("pcf.characterizationFactors", "pcf.ipccCharacterizationFactorsSources"),
    period_start="pcf.referencePeriodStart",
    period_end="pcf.referencePeriodEnd",
    product_name="productNameCompany",
    submitted=("updated", "created"),
    classifications="productClassifications",
    verification="pcf.assurance",
    verification_holds="assurance",
)
THREE = Names(
    unit="pcf.declaredUnitOfMeasurement",
    total="pcf.pcfExcludingBiogenicUptake",
    uptake="pcf.biogenicCO2Uptake",
    gwp_sets=("pcf.ipccCharacterizationFactors",),
    period_start="pcf.referencePeriodStart",
    period_end="pcf.referencePeriodEnd",
    product_name="productNameCompany",
    classifications="productClassifications",
    ratings=("pcf.dqi.technologicalDQR", "pcf.dqi.geographicalDQR", "pcf.dqi.temporalDQR"),
    verification="pcf.verification",
)
VERSIONS = {"2.0": TWO, "2.1": TWO, "2.2": TWO, "2.3": TWO, "3.0": THREE}

# `required` of ProductFootprint and CarbonFootprint, OpenAPI 2.3.3.
_REQUIRED_TWO = (
    "id", "specVersion", "version", "created", "status", "comment", "companyName", "companyIds", "productDescription", "productIds",
    "productCategoryCpc", "productNameCompany", "pcf", "pcf.declaredUnit", "pcf.unitaryProductAmount", "pcf.referencePeriodStart",
    "pcf.referencePeriodEnd", "pcf.pCfExcludingBiogenic", "pcf.fossilGhgEmissions", "pcf.fossilCarbonContent",
    "pcf.biogenicCarbonContent", "pcf.characterizationFactors", "pcf.ipccCharacterizationFactorsSources",
    "pcf.crossSectoralStandardsUsed", "pcf.boundaryProcessesDescription", "pcf.exemptedEmissionsPercent",
    "pcf.exemptedEmissionsDescription", "pcf.packagingEmissionsIncluded",
)  # fmt: skip
# The same of OpenAPI 3.0.4.
_REQUIRED_THREE = (
    "id", "specVersion", "created", "status", "companyName", "companyIds", "productDescription", "productIds", "productNameCompany",
    "pcf", "pcf.declaredUnitOfMeasurement", "pcf.declaredUnitAmount", "pcf.productMassPerDeclaredUnit", "pcf.referencePeriodStart",
    "pcf.referencePeriodEnd", "pcf.pcfExcludingBiogenicUptake", "pcf.pcfIncludingBiogenicUptake", "pcf.fossilGhgEmissions",
    "pcf.fossilCarbonContent", "pcf.ipccCharacterizationFactors", "pcf.crossSectoralStandards", "pcf.exemptedEmissionsPercent",
)  # fmt: skip


def recognises(document: Document) -> bool:
    """By the two fields that every version requires and no other document has together."""
    return "specVersion" in document and isinstance(document.get("pcf"), dict)


def version_of(document: Document) -> str:
    """`major.minor`.

    Raises:
        FileRefused: a version that is not mapped here.
    """
    match = _VERSION.fullmatch(text_of(find(document, "specVersion")))
    version = f"{int(match.group(1))}.{int(match.group(2))}" if match else ""
    if version not in VERSIONS:
        raise unknown_version(TITLE, document.get("specVersion"), ", ".join(VERSIONS))
    return version


def read(document: Document) -> Record:
    version = version_of(document)
    return read_footprint(document, VERSIONS[version], version)


KIND = Kind(
    name="pact",
    title=TITLE,
    recognises=recognises,
    read=read,
    paths=lambda version: paths_of(VERSIONS[version]),
    required=lambda version: _REQUIRED_THREE if version == "3.0" else _REQUIRED_TWO,
)
