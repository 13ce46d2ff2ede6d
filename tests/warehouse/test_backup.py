"""Backup, loss of everything, restore: the same rows, releases and hashes, and the next run goes on from there."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.custody.backup import LIST, BackupError, back_up, read_backup, restore
from warehouse.custody.chain import Anchor
from warehouse.custody.verification import verify_ledger, verify_release
from warehouse.release import current_release, read_manifest

from .conftest import Base, Open, Order, Warehouse, copied

pytestmark = pytest.mark.xdist_group("survival")
Tanlian = Callable[..., subprocess.CompletedProcess[str]]


def anchor_in_force(warehouse: Warehouse) -> Anchor:
    folder = current_release(warehouse.settings)
    assert folder is not None
    head = warehouse.ledger.audit_head()
    return Anchor(folder.name, read_manifest(folder)["custody"]["chain"], head["entry_count"], head["head"])


def test_restored_from_a_backup_everything_is_the_same_and_goes_on(
    base: Base, survival_files: Path, order: Order, open_warehouse: Open, tmp_path: Path
) -> None:
    first = open_warehouse(copied(base.data, tmp_path / "first"))
    anchor = anchor_in_force(first)
    saved = back_up(first.settings, first.ledger, tmp_path / "backup", anchor)
    assert saved.file_count > 10 and saved.anchor == anchor
    first.ledger.close()
    shutil.rmtree(first.data)
    settings = dataclasses.replace(first.settings, data=tmp_path / "elsewhere")
    assert restore(settings, tmp_path / "backup").anchor == anchor
    again = open_warehouse(settings.data)
    folder = current_release(settings)
    assert folder is not None and verify_release(folder, anchor).faults == []
    assert verify_ledger(again.ledger, settings.releases, anchor).faults == []
    released = base.data / "releases" / folder.name
    for path in (path for path in released.rglob("*") if path.is_file()):
        assert (folder / path.relative_to(released)).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in settings.inbox.rglob("*.csv")) == sorted(path.name for path in (base.data / "inbox").rglob("*.csv"))
    assert order(settings.data, survival_files)["code"] == 0
    assert (again.landed(), again.counts()) == (base.landed, base.counts)
    newest = current_release(settings)
    assert newest is not None and read_manifest(newest)["marts"] == base.marts
    assert verify_release(newest, anchor).is_anchored, "the anchor from before the loss lies on the chain that goes on"


def test_backup_that_is_not_whole_is_not_restored(base: Base, open_warehouse: Open, tmp_path: Path) -> None:
    first = open_warehouse(copied(base.data, tmp_path / "first"))
    backup = tmp_path / "backup"
    back_up(first.settings, first.ledger, backup, None)
    with pytest.raises(BackupError, match="not_empty"):
        back_up(first.settings, first.ledger, backup, None)
    with pytest.raises(BackupError, match="not_empty"):
        restore(first.settings, backup)
    # What is wrong with the backup itself is told first, whatever lies in the data directory.
    with pytest.raises(BackupError, match="no_folder: /no/such/folder"):
        restore(first.settings, Path("/no/such/folder"))
    with pytest.raises(BackupError, match="no_backup"):
        restore(first.settings, tmp_path)
    empty = dataclasses.replace(first.settings, data=tmp_path / "empty")
    listed = json.loads((backup / LIST).read_text(encoding="utf-8"))["files"]
    for name in listed:
        path = backup / name
        if path.is_symlink():
            target = path.readlink()
            path.unlink()
            path.symlink_to("elsewhere")
        else:
            content = path.read_bytes()
            path.chmod(0o644)
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"x")
        with pytest.raises(BackupError) as caught:
            restore(empty, backup)
        assert (caught.value.code, caught.value.places) == ("changed", [name])
        path.unlink()
        with pytest.raises(BackupError) as caught:
            read_backup(backup)
        assert caught.value.places == [name]
        if name == "releases/current":
            path.symlink_to(target)
        else:
            path.write_bytes(content)
    assert not empty.data.exists()
    (backup / "more").write_text("x", encoding="utf-8")
    with pytest.raises(BackupError, match="more"):
        restore(empty, backup)
    (backup / LIST).unlink()
    with pytest.raises(BackupError, match="no_backup"):
        restore(empty, backup)


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return json.loads(done.stdout)


def test_commands_anchor_verify_back_up_and_restore(base: Base, tanlian: Tanlian, tmp_path: Path) -> None:
    """As a person types them, on one data directory and its copy."""
    data = copied(base.data, tmp_path / "data")
    told = answer(tanlian(data, "--json", "anchor"))
    (tmp_path / "anchor.txt").write_text(told["anchor"], encoding="utf-8")
    whole = answer(tanlian(data, "--json", "verify", "--anchor", str(tmp_path / "anchor.txt")))
    assert [(entry["subject"], entry["is_good"], entry["is_anchored"]) for entry in whole] == [
        ("ledger", True, True),
        (told["release_id"], True, True),
    ]
    file = data / "releases" / told["release_id"] / "public.duckdb"
    (alone,) = answer(tanlian(data, "--json", "verify", str(file), "--anchor", told["anchor"]))
    assert (alone["is_good"], alone["is_anchored"]) == (True, True)
    saved = answer(tanlian(data, "--json", "backup", str(tmp_path / "backup")))
    assert saved["anchor"] == told["anchor"]
    restored = answer(tanlian(tmp_path / "other", "--json", "restore", str(tmp_path / "backup")))
    assert restored["file_count"] == saved["file_count"]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])
    done = tanlian(data, "verify", told["release_id"])
    assert done.returncode == 3 and "public.duckdb" in done.stdout
    assert tanlian(data, "verify", "nothing").returncode == 2
    assert tanlian(data, "verify", "--anchor", "nonsense").returncode == 2
    evidence = tanlian(tmp_path / "other", "evidence", "--bank", "nobody", "--out", str(tmp_path / "pack"))
    assert evidence.returncode == 2 and "nobody" in evidence.stderr + evidence.stdout
    assert tanlian(tmp_path / "other", "evidence", "--out", str(tmp_path / "pack")).returncode == 2
