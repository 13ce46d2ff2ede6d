"""Environmental product declarations in ILCD+EPD JSON (EN 15804), read as product footprints.

What is chosen, and why:

- The figure is A1 to A3 (cradle to gate). It is cradle to grave only where every module from A1 to C4 is declared: a module that is not declared
  is unknown, not zero. D lies beyond the system boundary (EN 15804, 6.3.5.6) and is never added.
- The total is GWP-total less a net biogenic uptake, which stands beside it as removals, never netted. A net biogenic emission stays in.
- The GWP set follows from the indicator's method: EN 15804+A2 characterises by IPCC 2013 (AR5), EN 15804+A1 by IPCC 2007 (AR4). Another method
  is not read.
- The discloser is the owner of the declaration. A declaration states no period of its data: the days of its reference year until publication stand
  for it, which gives it that reporting year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

from ingest.contract import Message
from ingest.documents.record import Document, Kind, Record, decimal_of, find, milliseconds, text_of, unknown_version, uuid_of

TITLE = Message("ILCD+EPD 环境产品声明", "ILCD+EPD environmental product declaration")
FORMAT = "1.1"  # `version` of the ILCD process data set
_LANGUAGES = ("zh", "en")

# UUID of the LCIA method -> what it characterises by. Methods of the ILCD+EPD format as published by its registries (OEKOBAUDAT, ECO Platform).
_TOTAL_METHODS = {
    "6a37f984-a4b3-458a-a20a-64418c145fa2": "AR5",  # GWP-total, EN 15804+A2:2019, table C.1: IPCC 2013
    "77e416eb-a363-4258-a04e-171d843a6460": "AR4",  # GWP, EN 15804:2012+A1:2013, annex C: IPCC 2007
}
_BIOGENIC_METHOD = "2356e1ab-0185-4db5-86e5-16de51c7485c"  # GWP-biogenic, EN 15804+A2:2019, table C.1

# Reference unit of the flow -> the contract's unit and how many of theirs one of ours holds.
_UNITS = {
    "kg": ("kg", 1),
    "t": ("t", 1),
    "m3": ("m3", 1),
    "m2": ("m2", 1),
    "qm": ("m2", 1),  # Quadratmeter
    "l": ("L", 1),
    "kWh": ("kWh", 1),
    "MJ": ("GJ", 1000),
    "m": ("km", 1000),
    "Item(s)": ("piece", 1),
    "pcs.": ("piece", 1),
}
_STAGES = {
    "raw_material_kg_co2e": ("A1", "A2"),
    "production_kg_co2e": ("A3",),
    "distribution_kg_co2e": ("A4", "A5"),
    "use_kg_co2e": ("B1", "B2", "B3", "B4", "B5", "B6", "B7"),
    "end_of_life_kg_co2e": ("C1", "C2", "C3", "C4"),
}
_GATE = ("A1", "A2", "A3")
_BEYOND_GATE = tuple(module for column in list(_STAGES)[2:] for module in _STAGES[column])
_DIGITS = 60


def recognises(document: Document) -> bool:
    return "LCIAResults" in document and isinstance(find(document, "processInformation.dataSetInformation"), dict)


def _items(value: Any) -> Iterator[Document]:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            yield item


def _worded(value: Any) -> str:
    """A text given in several languages: Chinese, else English, else the first that has words."""
    given = {text_of(item.get("lang")): text_of(item.get("value")).strip() for item in _items(value)}
    spoken = {language: text for language, text in given.items() if text}
    return next((spoken[language] for language in _LANGUAGES if language in spoken), next(iter(spoken.values()), ""))


def _modules(document: Document, methods: dict[str, str]) -> tuple[dict[str, Decimal], str]:
    """Module -> value of the first indicator with one of some methods, and what the method stands for. A module given twice counts as not given."""
    for result in _items(find(document, "LCIAResults.LCIAResult")):
        method = uuid_of(find(result, "referenceToLCIAMethodDataSet.refObjectId"))
        if method not in methods:
            continue
        found: dict[str, Decimal] = {}
        twice: set[str] = set()
        for item in _items(find(result, "other.anies")):
            module, value = text_of(item.get("module")), decimal_of(item.get("value"))
            if module and value is not None:
                twice |= {module} & set(found)
                found[module] = value
        return {module: value for module, value in found.items() if module not in twice}, methods[method]
    return {}, ""


def _sum(modules: dict[str, Decimal], wanted: tuple[str, ...]) -> Decimal | None:
    """The sum over modules, A1 to A3 once whether they stand together or apart; None where one is missing."""
    together = wanted[:3] == _GATE and "A1-A3" in modules
    apart = ("A1-A3", *wanted[3:]) if together else wanted
    if not wanted or not set(apart) <= set(modules):
        return None
    return sum((modules[module] for module in apart), Decimal())


def _reference_flow(document: Document) -> tuple[str, Decimal]:
    """Unit of the contract, and how many of them the declaration's figures are for."""
    wanted = {text_of(number) for number in find(document, "processInformation.quantitativeReference.referenceToReferenceFlow") or []}
    for flow in _items(find(document, "exchanges.exchange")):
        if text_of(flow.get("dataSetInternalID")) not in wanted:
            continue
        for measure in _items(flow.get("flowProperties")):
            if measure.get("referenceFlowProperty") is True:
                unit, held = _UNITS.get(text_of(measure.get("referenceUnit")), (text_of(measure.get("referenceUnit")), 1))
                amount = (decimal_of(flow.get("meanAmount")) or Decimal()) * (decimal_of(measure.get("meanValue")) or Decimal())
                return unit, amount / held
    return "", Decimal()


def _figures(document: Document, amount: Decimal) -> dict[str, str]:
    """Total, removals and stages per unit; empty where the declaration does not give them."""
    modules, _ = _modules(document, _TOTAL_METHODS)
    biogenic, _ = _modules(document, {_BIOGENIC_METHOD: ""})
    whole = _sum(modules, (*_GATE, *_BEYOND_GATE)) is not None
    wanted = (*_GATE, *_BEYOND_GATE) if whole else _GATE
    total = _sum(modules, wanted)
    if total is None or amount <= 0:
        return {"boundary": "cradle_to_grave" if whole else "cradle_to_gate"}
    uptake = _sum(biogenic, wanted)
    removals = max(-uptake, Decimal()) if uptake is not None else None
    cells = {"boundary": "cradle_to_grave" if whole else "cradle_to_gate", "total_kg_co2e": f"{(total + (removals or 0)) / amount:f}"}
    if removals is not None:
        cells["removals_kg_co2e"] = f"{removals / amount:f}"
    # Beside a net uptake the stages would not add up to the total; where A1 to A3 stand together they cannot be told apart.
    if not removals and set(_GATE) <= set(modules):
        stages = list(_STAGES.items()) if whole else list(_STAGES.items())[:2]
        cells |= {column: f"{sum((modules[module] for module in of), Decimal()) / amount:f}" for column, of in stages}
    return cells


def _published(document: Document) -> str:
    for item in _items(find(document, "processInformation.time.other.anies")):
        if item.get("name") == "publicationDateOfEPD":
            return milliseconds(item.get("value"))
    return milliseconds(find(document, "administrativeInformation.dataEntryBy.timeStamp"))


def _period(document: Document, published: str) -> tuple[str, str]:
    year = text_of(find(document, "processInformation.time.referenceYear"))
    if not re.fullmatch(r"\d{4}", year):
        return year, year
    last = f"{year}-12-31"
    return f"{year}-01-01", min(last, published[:10]) if published else last


def _revision(document: Document) -> str:
    """`major.minor.patch` of the data set as one number that grows with it; from 1, since the first version may be all zeros."""
    version = text_of(find(document, "administrativeInformation.publicationAndOwnership.dataSetVersion"))
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{1,3})", version)
    if not match:
        return version
    major, minor, patch = (int(part) for part in match.groups())
    return str(major * 100_000 + minor * 1_000 + patch + 1)


def _products(document: Document, identifier: str) -> Iterator[str]:
    yield f"urn:uuid:{identifier}"
    for system in _items(find(document, "processInformation.dataSetInformation.classificationInformation.classification")):
        codes = [text_of(level.get("classId")) for level in _items(system.get("class"))]
        name, code = text_of(system.get("name")).casefold(), next((code for code in reversed(codes) if code), "")
        if code and name in ("cpc", "un cpc"):
            yield f"urn:pact:productclassification:un-cpc:{code}"
        elif code:
            yield f"urn:ilcd:classification:{name.replace(' ', '-')}:{code}"


def _standard(document: Document) -> str:
    """The version of EN 15804 that the declaration complies with."""
    for item in _items(find(document, "modellingAndValidation.complianceDeclarations.compliance")):
        name = _worded(find(item, "referenceToComplianceSystem.shortDescription"))
        if "15804" in name:
            return name
    return ""


def _verifier(document: Document) -> str:
    for review in _items(find(document, "modellingAndValidation.validation.review")):
        for reviewer in _items(review.get("referenceToNameOfReviewerAndInstitution")):
            return _worded(reviewer.get("shortDescription"))
    return ""


def read(document: Document) -> Record:
    """One declaration.

    Raises:
        FileRefused: another version of the format.
    """
    version = text_of(document.get("version"))
    if version != FORMAT:
        raise unknown_version(TITLE, version, FORMAT)
    identifier = uuid_of(find(document, "processInformation.dataSetInformation.UUID"))
    owner = _worded(find(document, "administrativeInformation.publicationAndOwnership.referenceToOwnershipOfDataSet.shortDescription"))
    published = _published(document)
    period_start, period_end = _period(document, published)
    with localcontext(prec=_DIGITS):
        unit, amount = _reference_flow(document)
        figures = _figures(document, amount)
    cells = figures | {
        "disclosure_id": identifier,
        "revision": _revision(document),
        "enterprise_id": f"name:{owner}" if owner else "",
        "product_name": _worded(find(document, "processInformation.dataSetInformation.name.baseName")),
        "standard_code": _standard(document),
        "declared_unit": unit,
        "gwp_set": _modules(document, _TOTAL_METHODS)[1],
        "period_start": period_start,
        "period_end": period_end,
        "verifier_name": _verifier(document),
        "submitted_at": published,
    }
    return Record(cells, identifier, None, tuple(_products(document, identifier)), version)


_PATHS = {
    "disclosure_id": "processInformation.dataSetInformation.UUID",
    "revision": "administrativeInformation.publicationAndOwnership.dataSetVersion",
    "enterprise_id": "administrativeInformation.publicationAndOwnership.referenceToOwnershipOfDataSet",
    "product_name": "processInformation.dataSetInformation.name.baseName",
    "declared_unit": "exchanges.exchange[referenceFlow].flowProperties[referenceFlowProperty].referenceUnit",
    "gwp_set": "LCIAResults.LCIAResult[GWP-total].referenceToLCIAMethodDataSet.refObjectId",
    "total_kg_co2e": "LCIAResults.LCIAResult[GWP-total].other.anies[module A1-A3]",
    "period_start": "processInformation.time.referenceYear",
    "period_end": "processInformation.time.referenceYear",
    "submitted_at": "processInformation.time.other.anies[publicationDateOfEPD]",
}

KIND = Kind(
    name="ilcd_epd",
    title=TITLE,
    recognises=recognises,
    read=read,
    paths=lambda version: _PATHS,
    required=lambda version: (
        "processInformation.dataSetInformation.UUID",
        "processInformation.quantitativeReference",
        "LCIAResults.LCIAResult",
    ),
)
