"""The files of a release, one per audience: written from the build, described in the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from warehouse.audience import Audience, Policy, expand_audiences, hold_codes, quoted, write_audience_file
from warehouse.content import table_hashes

# What tells of the gates, written after they have spoken.
LATE = ("release__summary", "release__gates")
_CHUNK = 1 << 20


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def opened_build(build: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the build is the catalog in use, read-only, while other files can be written beside it.

    Views of a build name its catalog, which is called after the file.
    """
    with duckdb.connect() as con:
        con.execute(f'attach {quoted(str(build))} as "{build.stem}" (read_only)')
        con.execute(f'use "{build.stem}"')
        yield con


def write_audience_files(policy: Policy, build: Path, own_tables: dict[str, str], rule_date: str, folder: Path) -> list[Audience]:
    """Write the file of every audience of a build, all its tables but those that tell of gates still to come."""
    first = {name: query for name, query in own_tables.items() if name not in LATE}
    with opened_build(build) as con:
        hold_codes(policy, con)
        audiences = expand_audiences(policy, con)
        for audience in audiences:
            write_audience_file(policy, audience, con, first, rule_date, folder / audience.file_name)
    return audiences


def add_late_tables(audiences: list[Audience], own_tables: dict[str, str], folder: Path) -> None:
    """Put the release's summary and what its gates examined into every file: the last thing written, after the gates have spoken."""
    for audience in audiences:
        with duckdb.connect(str(folder / audience.file_name)) as con:
            for name in LATE:
                con.execute(f'create table marts."{name}" as {own_tables[name]}')
            con.execute("checkpoint")


def describe_audience_file(audience: Audience, folder: Path) -> dict[str, Any]:
    """What the manifest says about an audience's file: whose it is, its bytes, and each table's rows and content."""
    path = folder / audience.file_name
    return {
        "name": audience.name,
        "kind": audience.kind,
        "member": audience.member,
        "title": audience.title,
        "file": audience.file_name,
        "size": path.stat().st_size,
        "sha256": file_hash(path),
        "marts": table_hashes(path),
    }


def list_alike(manifest: dict[str, Any], kind: str) -> list[str]:
    """Names of a manifest's audiences of a kind, for whoever named one that it has not; of all where none is of the kind."""
    names = [str(entry["name"]) for entry in listed_audiences(manifest)]
    return [name for name in names if name.startswith(f"{kind}_")] or names


def listed_audiences(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The audiences of a manifest. Manifests of releases made before audiences were described hold their names only."""
    return [
        entry if isinstance(entry, dict) else {"name": entry, "kind": entry, "member": None, "file": f"{entry}.duckdb"}
        for entry in manifest["audiences"]
    ]
