"""Codes of somebody else planted for the search of audiences' files to find, every time it runs.

A search that finds nothing may have nothing to find, or may have stopped looking. So a file of probes, held in memory and shown to
nobody, is searched with the others: each way in which a code can stand in a file has a probe, and one that is not found stops the release.
The codes are drawn anew each time: nobody can register one and so stop a release, or be found by it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field

import duckdb

CATALOG = "probes"
READER = -1  # the probes' own reader, who owns one code and none of the others


@dataclass(frozen=True)
class Probes:
    """The codes of one run, and the tables that hold them: what each tries -> its column, the SQL of its one value, and the code in it."""

    mark: str = field(default_factory=lambda: secrets.token_hex(8).upper())

    @property
    def own(self) -> str:
        return f"OWN-{self.mark}"

    @property
    def foreign(self) -> str:
        return f"FOREIGN-{self.mark}"

    @property
    def name(self) -> str:
        """A name that JSON has to escape."""
        return f'name:"Öl" {self.mark}'

    @property
    def short_name(self) -> str:
        """Too short for a code inside a sentence, long enough for a name."""
        return self.mark[:6] + "Ö"

    def tables(self) -> dict[str, tuple[str, str, str]]:
        def text(value: str) -> str:
            return "'" + value.replace("'", "''") + "'"

        return {
            "whole": ("remark", text(self.foreign), self.foreign),
            "within_a_sentence": ("remark", text(f"见{self.foreign}，其余无"), self.foreign),
            "in_another_case": ("remark", text(self.foreign.lower()), self.foreign),
            "short_name_within_a_sentence": ("remark", text(f"seller: {self.short_name}."), self.short_name),
            "within_json": ("evidence", text(json.dumps({"a": [{"b": self.name}]})), self.name),
            "as_a_key_of_json": ("evidence", text(json.dumps({self.name: 1})), self.name),
            "in_a_json_column": ("evidence", f"{text(json.dumps([self.name]))}::json", self.name),
            "within_a_list": ("list", f"['x', {text(self.foreign)}]", self.foreign),
            "beside_its_own": ("remark", text(f"{self.own} {self.foreign}"), self.foreign),
            "a_code_nobody_knows": ("probe_id", text(f"NOBODY-{self.mark}"), f"NOBODY-{self.mark}"),
            "half_of_a_compound_code": ("probe_id", text(f"{self.own}|{self.foreign}"), self.foreign),
        }

    def plant(self, con: duckdb.DuckDBPyConnection) -> None:
        """Attach the file of probes, and let the reader and the codes be known; `codes` and `held` are those of the search."""
        con.execute(f"attach ':memory:' as {CATALOG}")
        con.execute(f"create schema {CATALOG}.marts")
        con.execute(f"create schema {CATALOG}.staging")
        for table, (column, value, _) in self.tables().items():
            con.execute(f'create table {CATALOG}.marts.{table} as select {value} as "{column}"')
        con.execute(f"create view {CATALOG}.marts.a_view as select 1 as x")
        con.execute(f"create table {CATALOG}.staging.another_schema as select 1 as x")
        con.execute("insert into held values (?, lower(?))", [READER, self.own])
        known = [("probe", self.own), ("probe", self.foreign), ("name", self.name), ("name", self.short_name)]
        con.executemany("insert into codes values (?, ?, ?)", [[kind, code, f"owner of {code}"] for kind, code in known])

    def missed(self, found: set[tuple[str, str]], strange: set[str]) -> list[str]:
        """What was planted and not found.

        Args:
            found: tables and codes that the search told of for the probes' reader.
            strange: tables that it said the policy does not give.
        """
        codes = [table for table, (_, _, code) in self.tables().items() if (table, code.lower()) not in {(t, c.lower()) for t, c in found}]
        tables = ["staging.another_schema", "marts.a_view", *(f"marts.{table}" for table in self.tables())]
        return codes + [table for table in tables if table not in strange]
