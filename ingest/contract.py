"""The typed view of a source's contract: the only reading of `contract.yaml` that the rest of the project imports.

A contract is one ODCS v3 YAML file (Open Data Contract Standard), read with the published models, which refuse what they do not know; what the
standard has no field for (unit, header aliases, history kind, rules) stands in its custom properties and custom quality rules.
A source is a folder below `ingest/sources/` that holds a `contract.yaml`: nothing here knows a source by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from open_data_contract_standard.model import CustomProperty, DataQuality, OpenDataContractStandard, SchemaProperty

SOURCES = Path(__file__).parent / "sources"

Type = Literal["text", "integer", "double", "decimal", "date", "instant", "boolean"]
History = Literal["revisioned", "restated", "append"]

SQL_TYPES: dict[Type, str] = {
    "text": "varchar",
    "integer": "bigint",
    "double": "double",
    "decimal": "decimal(28,8)",
    "date": "date",
    "instant": "timestamp",
    "boolean": "boolean",
}
DECIMAL_SCALE = 8

# What every landed row carries beside the contract's columns: it makes a published figure traceable to a row of a file.
LINEAGE_COLUMNS: dict[str, str] = {
    "_delivery_id": "varchar",
    "_row_number": "integer",
    "_source_file": "varchar",
    "_received_at": "timestamp",
    "_sequence": "bigint",
    "_extra": "varchar",
}

_COLUMN_PROPERTIES = {
    "titleZh",
    "aliases",
    "unit",
    "unitColumn",
    "type",
    "identifier",
    "share",
    "list",
    "alsoAllowed",
    "notAllowed",
    "boundReason",
    "mayLack",
}
_SOURCE_PROPERTIES = {
    "titleZh", "titleEn", "history", "tolerance", "cadenceDays", "dayColumn", "revisionColumn", "withdrawnColumn", "layoutFlags", "documents",
}  # fmt: skip
_RULE_PROPERTIES = {"messageZh", "messageEn", "reasonZh", "reasonEn", "citation"}
# Kind of rule -> what its implementation must say, and what it may. A predicate also names the figures that its expression uses.
_RULE_KINDS: dict[str, tuple[set[str], set[str]]] = {
    "predicate": ({"violated"}, {"lookups", "shows"}),
    "reference": ({"source", "match"}, {"waits"}),
    "no_overlap": ({"by", "start", "end"}, {"end_is_exclusive"}),
    "peer_ratio": ({"value", "by", "ratio", "at_least"}, {"side", "in_force_by", "in_force_order", "lookups"}),
    "balance": ({"source", "match", "amount", "limit"}, set()),
    "document": (set(), set()),  # decided where the document is read, not by the row
}
_SIDES = ("both", "upper")


class ContractError(ValueError):
    """A contract that says something this project cannot hold it to; names the file and the place."""


@dataclass(frozen=True)
class Message:
    """One sentence in both languages."""

    zh: str
    en: str

    def in_language(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Column:
    """One column: its type, what it may hold, and the headers under which it may arrive."""

    name: str
    type: Type
    title: Message
    description: Message  # of what the cell holds
    required: bool = False
    unit: str | None = None
    unit_column: str | None = None  # where each row has a unit of its own: the unit, or what `unit` is per
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    list: str | None = None  # `<reference list>.<column>`
    also_allowed: tuple[str, ...] = ()
    not_allowed: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    bound_reason: Message | None = None
    identifier: bool = False
    share: bool = False
    may_lack: bool = False  # required, unless a layout declares that its publication does not hold it

    @property
    def sql_type(self) -> str:
        return SQL_TYPES[self.type]

    @property
    def shown_unit(self) -> str | None:
        """Its unit as people read it; contracts and file formats keep to ASCII."""
        return self.unit.replace("CO2", "CO₂") if self.unit else None


@dataclass(frozen=True)
class Rule:
    """A named row rule. `kind` says how it is decided; `parameters` hold the predicate or the rule's figures."""

    code: str
    kind: str
    columns: tuple[str, ...]
    parameters: Mapping[str, Any]
    message: Message
    reason: Message
    severity: str = "row"
    citation: str | None = None

    @property
    def waits(self) -> bool:
        """Whether a row that only breaks this rule waits for another delivery instead of counting as bad."""
        return bool(self.parameters.get("waits", False))


@dataclass(frozen=True)
class Contract:
    """What a source promises."""

    source: str
    version: str
    folder: Path
    title: Message
    purpose: Message
    history: History
    tolerance: float
    cadence_days: int
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    revision_column: str | None = None
    layouts: tuple[Path, ...] = field(default=())
    layout_flags: tuple[str, ...] = ()  # what a layout may declare about its records, for the rules; null elsewhere
    withdrawn_column: str | None = None  # true where a row takes its key out of force; it conflicts with nothing
    day_column: str | None = None  # the day that a row speaks of, where it speaks of one: how old the content is
    documents: tuple[str, ...] = ()  # kinds of JSON document that the source accepts beside tables

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    def rule(self, code: str) -> Rule:
        for rule in self.rules:
            if rule.code == code:
                return rule
        raise KeyError(code)

    def landing_types(self) -> dict[str, str]:
        """Column name -> SQL type of a landed row: the contract's columns, then the lineage columns."""
        return {column.name: column.sql_type for column in self.columns} | LINEAGE_COLUMNS

    def references(self) -> set[str]:
        """The sources whose rows this contract's rules ask for."""
        asked = [rule.parameters for rule in self.rules] + [
            lookup for rule in self.rules for lookup in rule.parameters.get("lookups", {}).values()
        ]
        return {parameters["source"] for parameters in asked if "source" in parameters}


def _properties(items: list[CustomProperty] | None, allowed: set[str], where: str) -> dict[str, Any]:
    found = {item.property or "": item.value for item in items or []}
    unknown = sorted(set(found) - allowed)
    if unknown:
        raise ContractError(f"{where}: unknown custom properties {', '.join(unknown)}")
    return found


def _both(text: str | None, where: str) -> Message:
    """A text in both languages, written `zh | en`."""
    zh, mark, en = (text or "").partition(" | ")
    if not mark:
        raise ContractError(f"{where}: a description needs both languages, written `zh | en`, found {text!r}")
    return Message(zh, en)


_LOGICAL_TYPES: dict[str, Type] = {
    "string": "text",
    "integer": "integer",
    "number": "double",
    "date": "date",
    "timestamp": "instant",
    "boolean": "boolean",
}


def _column(item: SchemaProperty, where: str) -> Column:
    where = f"{where}: column {item.name}"
    custom = _properties(item.customProperties, _COLUMN_PROPERTIES, where)
    options = dict(item.logicalTypeOptions or {})
    kind = custom.get("type") or _LOGICAL_TYPES.get(item.logicalType or "")
    if item.name is None or kind not in SQL_TYPES:
        raise ContractError(f"{where}: no usable type")
    bounds = {"minimum": options.pop("minimum", None), "maximum": options.pop("maximum", None)}
    pattern = options.pop("pattern", None)
    if options:
        raise ContractError(f"{where}: unknown options {', '.join(sorted(options))}")
    if any(bound is not None for bound in bounds.values()) and not custom.get("boundReason"):
        raise ContractError(f"{where}: a bound without a reason (boundReason)")
    return Column(
        name=item.name,
        type=kind,
        title=Message(zh=custom.get("titleZh", item.name), en=item.businessName or item.name),
        description=_both(item.description, where),
        required=bool(item.required),
        unit=custom.get("unit"),
        unit_column=custom.get("unitColumn"),
        aliases=tuple(custom.get("aliases", ())),
        values=tuple(str(value.value) for value in item.enum or ()),
        list=custom.get("list"),
        also_allowed=tuple(custom.get("alsoAllowed", ())),
        not_allowed=tuple(custom.get("notAllowed", ())),
        pattern=pattern,
        bound_reason=Message(**custom["boundReason"]) if "boundReason" in custom else None,
        identifier=bool(custom.get("identifier", False)),
        share=bool(custom.get("share", False)),
        may_lack=bool(custom.get("mayLack", False)),
        **bounds,
    )


def _check_implementation(kind: str, parameters: Mapping[str, Any], where: str) -> None:
    needed, optional = _RULE_KINDS[kind]
    missing = sorted(needed - set(parameters))
    figures = {name for name, value in parameters.items() if kind == "predicate" and isinstance(value, int | float)}
    unknown = sorted(set(parameters) - needed - optional - figures)
    if missing or unknown:
        raise ContractError(
            f"{where}: a {kind} rule needs {', '.join(sorted(needed))}; missing {missing}, unknown {unknown} (a figure is a number: 1.0e-9, not 1e-9)"
        )
    if parameters.get("side", "both") not in _SIDES:
        raise ContractError(f"{where}: side must be one of {', '.join(_SIDES)}")
    for alias, lookup in parameters.get("lookups", {}).items():
        if not lookup.get("match") or set(lookup) not in ({"list", "match"}, {"list", "match", "previous"}, {"source", "match"}):
            raise ContractError(f"{where}: lookup {alias} needs match, and either list (and perhaps previous) or source")


def _rule(item: DataQuality, names: set[str], where: str) -> Rule:
    where = f"{where}: rule {item.name}"
    custom = _properties(item.customProperties, _RULE_PROPERTIES, where)
    body = item.implementation
    if item.name is None or item.engine != "tanlian" or not isinstance(body, dict):
        raise ContractError(f"{where}: needs a name, engine tanlian and an implementation")
    parameters = dict(body)
    kind = parameters.pop("kind", "predicate")
    columns = tuple(parameters.pop("columns", ()))
    if kind not in _RULE_KINDS:
        raise ContractError(f"{where}: unknown kind {kind}")
    _check_implementation(kind, parameters, where)
    if not columns or set(columns) - names:
        raise ContractError(f"{where}: columns must be columns of the source, found {columns}")
    missing = {"messageZh", "messageEn", "reasonZh", "reasonEn"} - set(custom)
    if missing:
        raise ContractError(f"{where}: {', '.join(sorted(missing))} missing")
    return Rule(
        code=item.name,
        kind=kind,
        columns=columns,
        parameters=parameters,
        message=Message(custom["messageZh"], custom["messageEn"]),
        reason=Message(custom["reasonZh"], custom["reasonEn"]),
        severity=item.severity or "row",
        citation=custom.get("citation"),
    )


def _lost_keys(document: Any, understood: Any, where: str = "") -> list[str]:
    """Places of a document that the standard's models did not take: they pass over nested keys that they do not know."""
    if isinstance(document, dict) and isinstance(understood, dict):
        return [
            place
            for key, value in document.items()
            for place in (_lost_keys(value, understood[key], f"{where}.{key}") if key in understood else [f"{where}.{key}"])
        ]
    if isinstance(document, list) and isinstance(understood, list):
        return [
            place
            for i, (value, other) in enumerate(zip(document, understood, strict=True))
            for place in _lost_keys(value, other, f"{where}[{i}]")
        ]
    return []


def check_against_standard(path: Path) -> None:
    """Check one `contract.yaml` against the standard's published JSON schema; slow, so for checks rather than for every command.

    Raises:
        ContractError: with the place and the schema's own words.
    """
    import jsonschema

    schema = json.loads(OpenDataContractStandard.json_schema())  # type: ignore[no-untyped-call]
    try:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
    except jsonschema.ValidationError as error:
        raise ContractError(f"{path.parent.name}: {error.json_path}: {error.message}") from error


def read_contract(path: Path) -> Contract:
    """Read and check one `contract.yaml`.

    Raises:
        ContractError: the file is not ODCS v3, or says something this project does not know. Unknown keys are refused.
    """
    where = f"{path.parent.name}/{path.name}"
    document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    try:
        standard = OpenDataContractStandard(**document)
    except pydantic.ValidationError as error:
        raise ContractError(f"{where}: {error}") from error
    lost = _lost_keys(document, standard.model_dump(by_alias=True, exclude_unset=True))
    if lost:
        raise ContractError(f"{where}: keys that the standard does not know: {', '.join(lost)}")
    schema = (standard.schema_ or [])[0]
    source = path.parent.name
    if schema.name != source or standard.name != source:
        raise ContractError(f"{where}: the folder, the contract and its schema must have one name")
    custom = _properties(standard.customProperties, _SOURCE_PROPERTIES, where)
    columns = tuple(_column(item, where) for item in schema.properties or [])
    names = {column.name for column in columns}
    if unknown := sorted({column.unit_column for column in columns if column.unit_column} - names):
        raise ContractError(f"{where}: unitColumn must be a column of the source, found {', '.join(unknown)}")
    keyed = sorted((item.primaryKeyPosition or 0, item.name or "") for item in schema.properties or [] if item.primaryKey)
    if not keyed:
        raise ContractError(f"{where}: no primary key")
    if custom["history"] not in ("revisioned", "restated", "append"):
        raise ContractError(f"{where}: history must be revisioned, restated or append")
    rules = tuple(_rule(item, names, where) for item in schema.quality or [])
    if custom.get("withdrawnColumn", "") not in {"", *(column.name for column in columns if column.type == "boolean")}:
        raise ContractError(f"{where}: withdrawnColumn must be a boolean column")
    if custom.get("dayColumn", "") not in {"", *(column.name for column in columns if column.type in ("date", "instant"))}:
        raise ContractError(f"{where}: dayColumn must be a column of days or instants")
    if custom["history"] != "append" and any(rule.kind == "balance" for rule in rules):
        raise ContractError(f"{where}: a balance needs the history append: what was drawn stays drawn")
    return Contract(
        source=source,
        version=standard.version or "0.0.0",
        folder=path.parent,
        title=Message(custom["titleZh"], custom["titleEn"]),
        purpose=_both(standard.description.purpose if standard.description else None, where),
        history=custom["history"],
        tolerance=float(custom.get("tolerance", 0.2)),
        cadence_days=int(custom.get("cadenceDays", 366)),
        key=tuple(name for _, name in keyed),
        columns=columns,
        rules=rules,
        revision_column=custom.get("revisionColumn"),
        layouts=tuple(sorted((path.parent / "layouts").glob("*.yaml"))),
        layout_flags=tuple(custom.get("layoutFlags", ())),
        withdrawn_column=custom.get("withdrawnColumn"),
        day_column=custom.get("dayColumn"),
        documents=tuple(custom.get("documents", ())),
    )


@cache
def read_contracts(folder: Path = SOURCES) -> dict[str, Contract]:
    """Every source below `folder`, by name. A folder without `contract.yaml` is no source."""
    return {path.parent.name: read_contract(path) for path in sorted(folder.glob("*/contract.yaml"))}


def in_reference_order(contracts: Mapping[str, Contract]) -> list[str]:
    """The sources, those that others ask for first: of what arrives at one time, little has to wait and nothing is refused as unknown."""
    left = sorted(contracts)
    ordered: list[str] = []
    while left:
        ready = [source for source in left if not contracts[source].references() & set(left) - {source}]
        ordered += ready or left[:1]  # sources that ask for each other have no order
        left = [source for source in left if source not in ordered]
    return ordered
