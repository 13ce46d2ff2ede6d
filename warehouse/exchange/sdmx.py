"""Sector statistics as SDMX 3.0: the structure as SDMX-ML 3.0, the data as SDMX-CSV 2.0, which is SDMX 3.0's form of CSV.

The library that reads SDMX (sdmx1) writes 2.1 only, so the structure is written here, by the published schemas' element names.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from dashboards.reports.figures import head_column
from dashboards.reports.wording import Text, say
from warehouse.exchange.files import Source, need

MART = "footprint__sectors_by_year_public"
AGENCY, VERSION = "TANLIAN", "1.0.0"
_SCHEMAS = "http://www.sdmx.org/resources/sdmxml/schemas/v3_0"
NAMESPACES = {name: f"{_SCHEMAS}/{room}" for name, room in (("mes", "message"), ("str", "structure"), ("com", "common"))}
_MES, _STR, _COM = (ElementMaker(namespace=NAMESPACES[name], nsmap=NAMESPACES) for name in ("mes", "str", "com"))
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
DATAFLOW, STRUCTURE, CONCEPTS = "SECTOR_FOOTPRINTS", "SECTOR_FOOTPRINTS", "FOOTPRINT_CONCEPTS"

# Dimension -> the mart's column; the year is the time dimension.
DIMENSIONS = {"PRODUCT": "product_code", "BOUNDARY": "boundary", "GWP_SET": "gwp_set", "REF_AREA": "province_code"}
TIME = {"TIME_PERIOD": "reporting_year"}
MEASURES = {
    column.upper(): column
    for column in (
        "disclosure_count", "enterprise_count", "output_quantity", "weighted_mean_kg_co2e", "mean_kg_co2e", "stddev_kg_co2e", "p10_kg_co2e",
        "p25_kg_co2e", "p50_kg_co2e", "p75_kg_co2e", "p90_kg_co2e", "total_t_co2e", "verified_share", "primary_data_share",
        "yoy_change_kg_co2e", "yoy_within_kg_co2e", "yoy_mix_kg_co2e", "yoy_entry_exit_kg_co2e",
    )
}  # fmt: skip
ATTRIBUTES = {"DECLARED_UNIT": "declared_unit", "SUPPRESSION_REASON": "suppression_reason"}
_COUNTS = frozenset({"DISCLOSURE_COUNT", "ENTERPRISE_COUNT"})


@dataclass(frozen=True)
class Codelist:
    """A list of codes with their names."""

    name: str
    title: Text
    codes: dict[str, Text]


def _urn(kind: str, name: str, item: str = "") -> str:
    package = {"Codelist": "codelist", "Concept": "conceptscheme", "DataStructure": "datastructure"}[kind]
    return f"urn:sdmx:org.sdmx.infomodel.{package}.{kind}={AGENCY}:{name}({VERSION}){item}"


def _names(text: Text) -> list[Any]:
    return [_COM.Name(text.en, **{_LANGUAGE: "en"}), _COM.Name(text.zh, **{_LANGUAGE: "zh"})]


def code_id(value: str) -> str:
    """A code as SDMX allows it: letters, digits and a few marks. The marts' codes are kept wherever they fit."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-@$") else "_" for c in value)


def read_codelists(source: Source) -> dict[str, Codelist]:
    """The codes that the data use, named as the mart names them."""
    found = {}
    for dimension, column in DIMENSIONS.items():
        stem = column.removesuffix("_code")
        named = f"{stem}_name_zh" in source.marts[MART]
        names = f"any_value({stem}_name_zh) as zh, any_value({stem}_name_en) as en" if named else "null as zh, null as en"
        rows = source.read(f"select {column} as code, {names} from marts.{MART} group by all order by code")
        codes = {code_id(row["code"]): Text(row["zh"] or row["code"], row["en"] or row["code"]) for row in rows}
        found[dimension] = Codelist(f"CL_{dimension}", head_column(column), codes)
    return found


def _codelist(found: Codelist) -> Any:
    element = _STR.Codelist(*_names(found.title), id=found.name, agencyID=AGENCY, version=VERSION)
    element.extend(_STR.Code(*_names(name), id=code) for code, name in found.codes.items())
    return element


def _concepts(columns: Iterable[tuple[str, str]]) -> Any:
    scheme = _STR.ConceptScheme(*_names(say("sdmx_concepts")), id=CONCEPTS, agencyID=AGENCY, version=VERSION)
    scheme.extend(_STR.Concept(*_names(head_column(column)), id=name) for name, column in columns)
    return scheme


def _component(tag: Any, name: str, representation: Any, **attributes: str) -> Any:
    return tag(_STR.ConceptIdentity(_urn("Concept", CONCEPTS, f".{name}")), _STR.LocalRepresentation(representation), id=name, **attributes)


def _structure(codelists: dict[str, Codelist]) -> Any:
    dimensions = _STR.DimensionList(
        *(
            _component(_STR.Dimension, name, _STR.Enumeration(_urn("Codelist", found.name)), position=str(place))
            for place, (name, found) in enumerate(codelists.items(), 1)
        ),
        _component(_STR.TimeDimension, "TIME_PERIOD", _STR.TextFormat(textType="ObservationalTimePeriod")),
        id="DimensionDescriptor",
    )
    attributes = _STR.AttributeList(id="AttributeDescriptor")
    for name in ATTRIBUTES:
        attribute = _component(_STR.Attribute, name, _STR.TextFormat(textType="String"), usage="optional")
        attribute.append(_STR.AttributeRelationship(_STR.Observation()))
        attributes.append(attribute)
    measures = _STR.MeasureList(id="MeasureDescriptor")
    for name in MEASURES:
        kind = "Integer" if name in _COUNTS else "Double"
        measures.append(_component(_STR.Measure, name, _STR.TextFormat(textType=kind), usage="optional"))
    return _STR.DataStructure(
        *_names(say("sdmx_statistics")),
        _STR.DataStructureComponents(dimensions, attributes, measures),
        id=STRUCTURE,
        agencyID=AGENCY,
        version=VERSION,
    )


def make_structure(source: Source, prepared: str) -> Any:
    """The structure message: codelists, concepts, the dataflow and its structure."""
    codelists = read_codelists(source)
    header = _MES.Header(_MES.ID("TANLIAN_STRUCTURE"), _MES.Test("false"), _MES.Prepared(prepared), _MES.Sender(id=AGENCY))
    dataflow = _STR.Dataflow(
        *_names(say("sdmx_statistics")), _STR.Structure(_urn("DataStructure", STRUCTURE)), id=DATAFLOW, agencyID=AGENCY, version=VERSION
    )
    columns = [*DIMENSIONS.items(), *TIME.items(), *ATTRIBUTES.items(), *MEASURES.items()]
    structures = _MES.Structures(
        _STR.Codelists(*(_codelist(found) for found in codelists.values())),
        _STR.ConceptSchemes(_concepts(columns)),
        _STR.Dataflows(dataflow),
        _STR.DataStructures(_structure(codelists)),
    )
    return _MES.Structure(header, structures)


def write_sdmx(source: Source, marts: list[str], out: Path, lang: str) -> list[Path]:
    """`sector_footprints_structure.xml` and `sector_footprints_data.csv`, of the statistics under disclosure control: these may travel."""
    need(source, MART, "release__summary")
    published = source.read("select published_at from marts.release__summary")[0]["published_at"]
    structure = out / "sector_footprints_structure.xml"
    message = make_structure(source, published.isoformat(timespec="seconds") + "Z")
    structure.write_bytes(etree.tostring(message, xml_declaration=True, encoding="UTF-8", pretty_print=True))
    data = out / "sector_footprints_data.csv"
    _write_data(source, data)
    return [structure, data]


def _write_data(source: Source, path: Path) -> None:
    """One line per cell; a withheld figure is an empty field with its reason beside it, as unknown is never zero."""
    columns = {**DIMENSIONS, **TIME, **MEASURES, **ATTRIBUTES}
    listed = ", ".join(columns.values())
    rows = source.read(f"select {listed} from marts.{MART} order by {', '.join([*DIMENSIONS.values(), *TIME.values()])}")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["STRUCTURE", "STRUCTURE_ID", "ACTION", *columns])
        for row in rows:
            codes = {name: code_id(row[column]) for name, column in DIMENSIONS.items()}
            cells = [codes[name] if name in codes else "" if row[column] is None else row[column] for name, column in columns.items()]
            writer.writerow(["dataflow", f"{AGENCY}:{DATAFLOW}({VERSION})", "I", *cells])
