"""Reference lists and policy parameters as the row rules see them: the project's seeds, overlaid by a deployment's folder of CSVs.

The same files are dbt seeds; their column types stand in one YAML, `_seeds.yml`, which both read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from ingest.readers import read

SEEDS = Path(__file__).parent.parent / "dbt_project" / "seeds"
TYPES_FILE = "_seeds.yml"


class ReferenceError(ValueError):
    """A reference list that cannot be read as its types say; names the file."""


@dataclass(frozen=True)
class ReferenceLists:
    """The lists in force: name -> CSV file. A file of `overlay` replaces the project's list of the same name whole."""

    seeds: Path = SEEDS
    overlay: Path | None = None

    @cached_property
    def files(self) -> dict[str, Path]:
        found = {path.stem: path for path in sorted(self.seeds.rglob("*.csv"))}
        if self.overlay is not None:
            if not self.overlay.is_dir():
                raise ReferenceError(f"没有这个参考目录 / no such reference folder: {self.overlay}")
            found |= {path.stem: path for path in sorted(self.overlay.glob("*.csv"))}
        return found

    @cached_property
    def types(self) -> dict[str, dict[str, str]]:
        document: dict[str, Any] = yaml.load((self.seeds / TYPES_FILE).read_bytes(), Loader=yaml.CSafeLoader)
        return {seed["name"]: seed.get("config", {}).get("column_types", {}) for seed in document["seeds"]}

    @cached_property
    def content_hash(self) -> str:
        """sha256 over names and bytes: two runs with the same lists have the same hash."""
        digest = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _table(self, name: str) -> pa.Table:
        raw = read(self.files[name].read_bytes())
        return pa.table(dict(zip(raw.headers, raw.columns, strict=True)))

    @cached_property
    def _typed(self) -> dict[str, pa.Table]:
        tables = {}
        with duckdb.connect() as con:
            for name in self.files:
                raw = self._table(name)
                types = self.types.get(name, {})
                con.register("raw", raw)
                cells = ", ".join(
                    f'cast(nullif("{column}", \'\') as {types.get(column, "varchar")}) as "{column}"' for column in raw.column_names
                )
                try:
                    tables[name] = con.execute(f"select {cells} from raw").to_arrow_table()
                except duckdb.ConversionException as error:
                    raise ReferenceError(f"{self.files[name].name}: {error}") from error
                con.unregister("raw")
        return tables

    def table(self, name: str) -> pa.Table:
        """One list, its cells typed."""
        return self._typed[name]

    def load(self, con: duckdb.DuckDBPyConnection) -> None:
        """Register every list as a view in schema `reference` of a connection."""
        con.execute("create schema if not exists reference")
        for name, table in self._typed.items():
            con.register(_registered(name), table)
            con.execute(f'create or replace view reference."{name}" as select * from "{_registered(name)}"')


def _registered(name: str) -> str:
    return f"_reference_{name}"


def share_lists(con: duckdb.DuckDBPyConnection, cursor: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Let a cursor see lists of its connection: views are shared, the data registered behind them is not."""
    for name in names:
        cursor.register(_registered(name), con.execute(f'from "{_registered(name)}"').to_arrow_table())
