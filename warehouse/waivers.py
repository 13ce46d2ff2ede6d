"""Waivers of a deployment: reviewed YAML files, each of which lets one row through one rule until a day, and says why.

One that is not in order is named with what is wrong and lets nothing through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ingest.contract import Contract, Message
from ingest.waivers import Waiver, waivable_rules
from warehouse.ledger import Ledger
from warehouse.settings import Settings, china_day, utc_now

FIELDS = ("source", "key", "rule", "reason", "citation", "author", "reviewer", "expires_on")
SUFFIX = ".yaml"


@dataclass(frozen=True)
class ReadWaiver:
    """One file: the waiver, or what keeps it from being one (`fault`, a key of the texts, and its details)."""

    file: str
    waiver: Waiver | None
    fault: str | None = None
    details: str = ""


def _document(path: Path) -> Any:
    # BaseLoader: every scalar is the text that stands there; a key like 0123 or 2024-03-05 is no number and no date.
    return yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


class _NotInOrder(Exception):
    """What keeps a document from being a waiver: a key of the texts, and details."""

    def __init__(self, fault: str, details: object = "") -> None:
        super().__init__(fault)
        self.fault, self.details = f"waiver.{fault}", str(details)


def _missing_fields(document: dict[str, Any], contract: Contract) -> list[str]:
    reason, key = document.get("reason"), document.get("key")
    missing = [name for name in ("rule", "citation", "author", "expires_on") if not _text(document.get(name))]
    if not isinstance(reason, dict) or set(reason) != {"zh", "en"} or not all(map(_text, reason.values())):
        missing.append("reason")
    if not isinstance(key, dict) or set(key) != set(contract.key) or not all(map(_text, key.values())):
        missing.append("key")
    return missing


def _check_signature(document: dict[str, Any]) -> None:
    reviewer, author = _text(document.get("reviewer")), _text(document["author"])
    if not reviewer:
        raise _NotInOrder("unsigned")
    if reviewer.casefold() == author.casefold():
        raise _NotInOrder("same_person", reviewer)


def _checked(path: Path, contracts: Mapping[str, Contract]) -> Waiver:
    document = _document(path)
    if not isinstance(document, dict):
        raise _NotInOrder("unreadable", "YAML")
    unknown = sorted(set(document) - set(FIELDS))
    if unknown:
        raise _NotInOrder("unknown_fields", ", ".join(map(str, unknown)))
    contract = contracts.get(_text(document.get("source")))
    if contract is None:
        raise _NotInOrder("unknown_source", _text(document.get("source")))
    missing = _missing_fields(document, contract)
    if missing:
        raise _NotInOrder("incomplete", ", ".join(missing))
    if document["rule"] not in waivable_rules(contract):
        raise _NotInOrder("not_waivable", document["rule"])
    _check_signature(document)
    return Waiver(
        name=path.stem,
        source=contract.source,
        key={name: _text(document["key"][name]) for name in contract.key},
        rule=_text(document["rule"]),
        reason=Message(_text(document["reason"]["zh"]), _text(document["reason"]["en"])),
        author=_text(document["author"]),
        reviewer=_text(document["reviewer"]),
        expires_on=date.fromisoformat(_text(document["expires_on"])),
        citation=_text(document["citation"]),
    )


def read_waiver(path: Path, contracts: Mapping[str, Contract]) -> ReadWaiver:
    """Read and check one file."""
    try:
        return ReadWaiver(path.name, _checked(path, contracts))
    except _NotInOrder as refusal:
        return ReadWaiver(path.name, None, refusal.fault, refusal.details)
    except (yaml.YAMLError, ValueError, OSError) as error:
        return ReadWaiver(path.name, None, "waiver.unreadable", str(error).splitlines()[0])


def read_waivers(folder: Path, contracts: Mapping[str, Contract], today: date) -> list[ReadWaiver]:
    """Every waiver of a folder, in the order of names; those past their day are named as such, and of two for the same row and rule the later."""
    found: list[ReadWaiver] = []
    seen: dict[tuple[Any, ...], str] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if folder.is_dir() else ():
        read = read_waiver(path, contracts)
        waiver = read.waiver
        if waiver is not None:
            same = (waiver.source, waiver.rule, tuple(sorted(waiver.key.items())))
            if waiver.expires_on < today:
                read = ReadWaiver(read.file, None, "waiver.expired", waiver.expires_on.isoformat())
            elif same in seen:
                read = ReadWaiver(read.file, None, "waiver.repeated", seen[same])
            else:
                seen[same] = read.file
        found.append(read)
    return found


def in_force(read: Sequence[ReadWaiver]) -> list[Waiver]:
    return [entry.waiver for entry in read if entry.waiver is not None]


def as_published(waiver: Waiver) -> dict[str, Any]:
    """The waiver as the ledger and a release keep it."""
    return {
        "waiver": waiver.name,
        "source": waiver.source,
        "key": dict(waiver.key),
        "rule": waiver.rule,
        "reason_zh": waiver.reason.zh,
        "reason_en": waiver.reason.en,
        "author": waiver.author,
        "reviewer": waiver.reviewer,
        "expires_on": waiver.expires_on.isoformat(),
        "citation": waiver.citation,
    }


def draft_waiver(
    folder: Path, source: str, key: Mapping[str, str], rule: str, reason: Message, citation: str, author: str, until: date
) -> Path:
    """Write a waiver that nobody has signed yet; a second person fills `reviewer`. Never writes over a file."""
    digest = hashlib.sha256(json.dumps([source, rule, dict(key)], ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:10]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source}-{rule}-{digest}{SUFFIX}"
    document = {
        "source": source,
        "key": dict(key),
        "rule": rule,
        "reason": {"zh": reason.zh, "en": reason.en},
        "citation": citation,
        "author": author,
        "reviewer": "",
        "expires_on": until.isoformat(),
    }
    with path.open("x", encoding="utf-8") as stream:
        stream.write("# 由第二人审阅后在 reviewer 处签名 / A second person reviews this and signs in `reviewer`.\n")
        yaml.safe_dump(document, stream, allow_unicode=True, sort_keys=False)
    return path


def describe_waivers(settings: Settings, ledger: Ledger, contracts: Mapping[str, Contract]) -> list[dict[str, Any]]:
    """Every waiver of the deployment with where it stands: what is wrong with it, in use, or in force without a row it fits."""
    used = {row["waiver"]["waiver"]: row for row in ledger.waived_rows()}
    found = []
    for read in read_waivers(settings.waivers, contracts, date.fromisoformat(china_day(utc_now()))):
        state, details = read.fault or "waiver.unmatched", read.details
        name = Path(read.file).stem
        if read.waiver is not None and name in used:
            state, details = "waiver.used", f"{used[name]['file']} #{used[name]['row_number']}"
        found.append({"file": read.file, "state": state, "details": details})
    return found
