"""Catena-X PCF payloads (aspect model `io.catenax.pcf`), by the published model versions 2.0.0, 3.0.0, 4.0.0, 4.0.1, 5.0.0, 6.0.0 and 7.0.0.

Field names are those of the sample payloads and of the JSON schema of 7.0.0 (eclipse-tractusx/sldt-semantic-models, CC BY 4.0). A payload names
its version in `specVersion`: 2.0.0 and 3.0.0 write the Pathfinder version 1.0.0 they follow, 4.0.0 to 6.0.0 write 2.0.1-20230314, 7.0.0 its own
URN, which is read for every published version. The models 4.0.0 to 7.0.0 share the fields read here (identifiers are plain since 5.0.0).
"""

from __future__ import annotations

from ingest.contract import Message
from ingest.documents.footprint import Names, paths_of, read_footprint
from ingest.documents.record import Document, Kind, Record, text_of, unknown_version

TITLE = Message("Catena-X PCF", "Catena-X PCF")
_URN = "urn:io.catenax.pcf:datamodel:version:"
_OWN_FIELDS = {"partialFullPcf", "extWBCSD_pfStatus", "extWBCSD_productCodeCpc"}

# 2.0.0 and 3.0.0 know no figure but fossilGhgEmissions, which 7.0.0's schema calls identical to pcfExcludingBiogenic; they name no GWP set.
EARLY = Names(
    unit="pcf.declaredUnit",
    total="pcf.fossilGhgEmissions",
    uptake="",
    gwp_sets=(),
    period_start="pcf.reportingPeriodStart",
    period_end="pcf.reportingPeriodEnd",
    product_name="productNameCompany",
    status="",
    submitted=("updated", "created"),
)
LATER = Names(
    unit="pcf.declaredUnit",
    total="pcf.pcfExcludingBiogenic",
    uptake="pcf.biogenicCarbonWithdrawal",
    gwp_sets=("pcf.extWBCSD_characterizationFactors",),
    period_start="pcf.referencePeriodStart",
    period_end="pcf.referencePeriodEnd",
    product_name="productName",
    status="extWBCSD_pfStatus",
    boundary="partialFullPcf",
)
PUBLISHED = {"2.0.0": EARLY, "3.0.0": EARLY, "4.0.0": LATER, "4.0.1": LATER, "5.0.0": LATER, "6.0.0": LATER, "7.0.0": LATER}
VERSIONS = PUBLISHED | {"2.0.0/3.0.0": EARLY, "4.0.0/6.0.0": LATER}  # what one marker stands for
_MARKERS = {"1.0.0": "2.0.0/3.0.0", "2.0.1-20230314": "4.0.0/6.0.0"} | {_URN + version: version for version in PUBLISHED}

# `required` of the JSON schema of 7.0.0, without the fields that only describe how the figure was made.
_REQUIRED = (
    "id", "specVersion", "partialFullPcf", "version", "created", "extWBCSD_pfStatus", "companyName", "companyIds", "productIds",
    "extWBCSD_productCodeCpc", "productName", "pcf", "pcf.declaredUnit", "pcf.unitaryProductAmount", "pcf.productMassPerDeclaredUnit",
    "pcf.referencePeriodStart", "pcf.referencePeriodEnd", "pcf.extWBCSD_characterizationFactors", "pcf.pcfExcludingBiogenic",
)  # fmt: skip
_REQUIRED_EARLY = (
    "id", "specVersion", "version", "created", "companyName", "companyIds", "productIds", "productNameCompany", "pcf",
    "pcf.declaredUnit", "pcf.unitaryProductAmount", "pcf.reportingPeriodStart", "pcf.reportingPeriodEnd", "pcf.fossilGhgEmissions",
)  # fmt: skip


def recognises(document: Document) -> bool:
    """By its own URN, by fields that only this model has, or by the shape of the Pathfinder version that it alone still writes."""
    version, body = text_of(document.get("specVersion")), document.get("pcf")
    early = version == "1.0.0" and isinstance(body, dict) and "reportingPeriodStart" in body
    return isinstance(body, dict) and (version.startswith("urn:io.catenax.pcf:") or bool(_OWN_FIELDS & set(document)) or early)


def read(document: Document) -> Record:
    """One payload.

    Raises:
        FileRefused: a version that is not mapped here.
    """
    version = _MARKERS.get(text_of(document.get("specVersion")), "")
    if not version or (VERSIONS[version] is EARLY) == bool(_OWN_FIELDS & set(document)):
        raise unknown_version(TITLE, document.get("specVersion"), ", ".join(PUBLISHED))
    return read_footprint(document, VERSIONS[version], version)


KIND = Kind(
    name="catena_x_pcf",
    title=TITLE,
    recognises=recognises,
    read=read,
    paths=lambda version: paths_of(VERSIONS[version]),
    required=lambda version: _REQUIRED_EARLY if VERSIONS[version] is EARLY else _REQUIRED,
)
