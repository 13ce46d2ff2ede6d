"""What the footprint documents of the PACT family share: one shape, whose field names differ by version. A version is a table of names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingest.documents.record import (
    Document,
    Record,
    enterprise_of,
    find,
    first_day,
    instant,
    last_day,
    mean_of,
    scaled,
    text_of,
    texts,
    uuid_of,
)

# PACT's units -> the contract's, and how many of theirs one of ours holds. Units without a place in the contract are refused by their own name.
UNITS = {
    "liter": ("L", Decimal(1)),
    "kilogram": ("kg", Decimal(1)),
    "cubic meter": ("m3", Decimal(1)),
    "kilowatt hour": ("kWh", Decimal(1)),
    "megajoule": ("GJ", Decimal(1000)),
    "square meter": ("m2", Decimal(1)),
    "piece": ("piece", Decimal(1)),
}
_STATES = {"Active": "false", "Deprecated": "true"}


@dataclass(frozen=True)
class Names:
    """Paths of one version. Empty where the version has no such field; `submitted` and `gwp_sets` are tried in order."""

    unit: str
    total: str
    uptake: str
    gwp_sets: tuple[str, ...]
    period_start: str
    period_end: str
    product_name: str
    status: str = "status"
    submitted: tuple[str, ...] = ("created",)
    classifications: str = ""
    ratings: tuple[str, ...] = ()
    verification: str = ""
    verification_holds: str = ""  # a flag of the version that says whether the verification was made at all
    boundary: str = ""


def _gwp_set(document: Document, names: Names) -> str:
    """The newest IPCC report named; a name that is none is handed on for the typing to refuse."""
    for path in names.gwp_sets:
        given = list(texts(find(document, path)))
        if given and all(re.fullmatch(r"AR\d{1,3}", name) for name in given):
            return max(given, key=lambda name: int(name[2:]))
        if given:
            return ", ".join(given)
    return ""


def _boundary(document: Document, names: Names) -> str:
    """The exchange is of cradle-to-gate figures unless a field says otherwise."""
    if not names.boundary:
        return "cradle_to_gate"
    given = text_of(find(document, names.boundary))
    return {"Cradle-to-gate": "cradle_to_gate", "Cradle-to-grave": "cradle_to_grave"}.get(given, given)


def _verification(document: Document, names: Names) -> tuple[str, str]:
    found = find(document, names.verification) if names.verification else None
    if not isinstance(found, dict) or (names.verification_holds and found.get(names.verification_holds) is not True):
        return "", ""
    return text_of(found.get("providerName")), first_day(found.get("completedAt"))


def _preceding(value: Any, document_id: str) -> tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]]:
    """The ids of the past versions, each once and in their order. A document's own id among them says nothing and is left out."""
    if value is None:
        return (), ()
    given = [uuid_of(text) for text in texts(value)]
    sound = isinstance(value, list) and len(given) == len(value)
    faults = () if sound else (("chain_broken", "disclosure_id", f"precedingPfIds: {text_of(value)[:200]}"),)
    return tuple(dict.fromkeys(identifier for identifier in given if identifier != document_id)), faults


def read_footprint(document: Document, names: Names, version: str) -> Record:
    """One footprint document as a record of the contract's columns. `total` is per declared unit, whatever the amount of a product's unit is."""
    unit, held = UNITS.get(text_of(find(document, names.unit)), (text_of(find(document, names.unit)), Decimal(1)))
    verifier, verified_on = _verification(document, names)
    status = text_of(find(document, names.status)) if names.status else ""
    document_id = uuid_of(document.get("id"))
    preceding, faults = _preceding(document.get("precedingPfIds"), document_id)
    products = (*texts(document.get("productIds")), *(texts(find(document, names.classifications)) if names.classifications else ()))
    cells = {
        "enterprise_id": enterprise_of(document.get("companyIds"), document.get("companyName")),
        "product_name": text_of(document.get(names.product_name)),
        "declared_unit": unit,
        "boundary": _boundary(document, names),
        "gwp_set": _gwp_set(document, names),
        "period_start": first_day(find(document, names.period_start)),
        "period_end": last_day(find(document, names.period_end)),
        "total_kg_co2e": scaled(find(document, names.total), held),
        "removals_kg_co2e": scaled(find(document, names.uptake), held, negate=True) if names.uptake else "",
        "primary_data_share": scaled(find(document, "pcf.primaryDataShare"), Decimal("0.01")),
        "data_quality_rating": mean_of([find(document, path) for path in names.ratings]) if names.ratings else "",
        "verifier_name": verifier,
        "verified_on": verified_on,
        "submitted_at": next((instant(find(document, path)) for path in names.submitted if find(document, path) is not None), ""),
        "is_withdrawn": _STATES.get(status, status),
    }
    return Record(cells, document_id, preceding, products, version, faults)


def paths_of(names: Names) -> dict[str, str]:
    """Where the contract's columns stand in a version, for whoever has to fill one in."""
    paths = {
        "disclosure_id": "id",
        "enterprise_id": "companyIds",
        "product_code": "productIds",
        "product_name": names.product_name,
        "declared_unit": names.unit,
        "period_start": names.period_start,
        "period_end": names.period_end,
        "total_kg_co2e": names.total,
        "submitted_at": names.submitted[-1],
    }
    return paths | ({"gwp_set": names.gwp_sets[0]} if names.gwp_sets else {})
