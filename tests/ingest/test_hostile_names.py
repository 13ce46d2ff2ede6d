"""Names of files are text that others chose: they reach the ledger, receipts, logs and terminals, and never as anything but text."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from expectations.gate import Gatekeeper
from ingest.contract import read_contracts
from ingest.delivery import LONGEST_NAME, describe_name
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.settings import Settings

NAMES = [
    b"line\nbreak.csv",
    b"\x1b[2J\x1b]0;title\x07.csv",
    "\u202egnp.exe.csv".encode(),
    b"'; drop table delivery; --.csv",
    b"{{ 7*7 }}<script>.csv",
    b"..%2f..%2fetc%2fpasswd.csv",
    b"..csv.csv",
    b"\xff\xfe not text.csv",
    b"=cmd|' C calc'!A0.csv",
    b"x" * 251 + b".csv",
    "碳".encode() * 83 + b".csv",
    b" spaces at both ends.csv ",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_printable_text(name: bytes) -> None:
    shown = describe_name(Path(os.fsdecode(name)))
    assert shown.isprintable()
    assert 0 < len(shown) <= LONGEST_NAME
    shown.encode("utf-8")


def test_files_of_any_name_are_taken_and_nothing_else_is_touched(tmp_path: Path) -> None:
    source = "enterprise"
    good = read_contracts()[source].folder / "fixtures" / "good" / "own_form.csv"
    data = tmp_path / "data"
    settings = Settings(data=data)
    inbox = settings.inbox / source
    inbox.mkdir(parents=True)
    for name in NAMES:
        shutil.copyfile(good, inbox / os.fsdecode(name))
        os.utime(inbox / os.fsdecode(name), (1_700_000_000, 1_700_000_000))
    (inbox / os.fsdecode(b"link\xff.csv")).symlink_to("/etc/passwd")
    with closing(Ledger(settings.ledger)) as ledger:
        receipts = Intake(settings, ledger, Gatekeeper(None)).take_inbox([source])
    taken = [receipt for receipt in receipts if receipt["verdict"] != "rejected"]
    hidden = {os.fsdecode(name) for name in NAMES if name.startswith(b".")}
    assert len(taken) == len(NAMES) - len(hidden)
    assert all(receipt["file"].isprintable() for receipt in receipts)
    json.dumps(receipts, ensure_ascii=False, default=str).encode("utf-8")
    assert [receipt["reasons"][0]["code"] for receipt in receipts if receipt["verdict"] == "rejected"] == ["unsafe"]
    assert {path.name for path in inbox.iterdir()} == hidden, "hidden names are left alone"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
