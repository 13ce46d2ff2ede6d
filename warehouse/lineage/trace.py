"""Follow figures to the rows they are made of: lineage keys travel with the rows of every step, and shares with them.

The models that the figures need are run again from landing, step by step, each row with the numbers of the rows it is made of, each group
with its members. Then the trace walks from the figures back. All of it is SQL over whole tables, in a scratch file of DuckDB's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
from sqlglot import exp

from warehouse.lineage.attribution import UNKNOWN, WHOLE
from warehouse.lineage.plan import Part, Plan, StepPlan, branch_columns
from warehouse.lineage.steps import DIALECT, EXISTENCE, Key, Step, Steps
from warehouse.replay import ModelGraph, Replay

CARRIES, DECIDES = 0, 1
SCHEMA = "trace"


def quote(name: str) -> str:
    """A name as SQL; quotation marks in it are doubled."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def table_of(key: str) -> str:
    """The table that holds a step's rows with their lineage keys."""
    return f"{SCHEMA}.{quote(key)}"


@dataclass
class Tracer:
    """A connection in which schema `trace` may be written; `leaves` gives the SQL table of each place that no model makes."""

    con: duckdb.DuckDBPyConnection
    graph: ModelGraph
    steps: Steps
    leaves: dict[str, str]
    made: dict[str, StepPlan] = field(default_factory=dict)

    def prepare(self, plan: Plan) -> None:
        """Run the steps of a plan with their lineage keys."""
        self.con.execute(f"create schema if not exists {SCHEMA}")
        for place in plan.leaves:
            self.con.execute(
                f"create table if not exists {table_of(place)} as select row_number() over () as __id, * from {self.leaves[place]}"
            )
        for key, step_plan in plan.steps.items():
            self.con.execute(f"create or replace table {table_of(key)} as {self._select(step_plan)}")
            self.made[key] = step_plan
        self.con.execute("create or replace temp table selected (step varchar, col varchar, id bigint, share double, role tinyint)")

    def _select(self, plan: StepPlan) -> str:
        step = plan.step
        if step.kind == "union":
            return self._select_union(step)
        if step.kind == "declared":
            return self._select_declared(step)
        query = step.query.copy() if step.query is not None else exp.select()
        for table in query.find_all(exp.Table):
            alias = table.alias_or_name
            table.replace(exp.alias_(exp.to_table(table_of(step.input(alias).source), dialect=DIALECT), alias, table=True))
        query = _add_members(query, plan) if step.kind == "groups" else _add_keys(query, plan)
        return f"select row_number() over () as __id, * from ({query.sql(DIALECT)})"

    def _select_union(self, step: Step) -> str:
        branches = []
        for place, each in enumerate(step.inputs):
            names = zip(step.columns, self.steps.columns(each.source), strict=True)
            columns = ", ".join(f"{quote(theirs)} as {quote(ours)}" for ours, theirs in names)
            keys = ", ".join(f"{'__id' if place == other else 'cast(null as bigint)'} as __p_{other}" for other in range(len(step.inputs)))
            branches.append(f"select {columns}, {keys} from {table_of(each.source)}")
        return f"select row_number() over () as __id, * from ({' union all '.join(branches)})"

    def _select_declared(self, step: Step) -> str:
        read = {}
        model = self.graph.models[step.key]
        for place in model.parents:
            key = self.steps.final.get(place, place)
            columns = ", ".join(quote(name) for name in self.steps.columns(key))
            read[place] = f"(select {columns} from {table_of(key)})"
        replay = Replay(self.con, self.graph, read=read)
        if model.language == "sql":
            return f"select row_number() over () as __id, * from ({replay.select(model)})"
        self.con.register("_python_result", replay.run_python(model))
        return "select row_number() over () as __id, * from _python_result"

    # Walking back

    def start(self, key: str, column: str, condition: str) -> int:
        """Select the figures of a column, in the rows of a step that a condition picks; gives their number."""
        self.con.execute("delete from selected")
        self.con.execute(
            f"insert into selected select {literal(key)}, {literal(column)}, __id, 1.0, {CARRIES} from {table_of(key)} where {condition}"
        )
        found = self.con.execute("select count(*) from selected").fetchone()
        return int((found or (0,))[0])

    def walk(self, plan: Plan, seen: Callable[[str], None] = lambda _: None) -> None:
        """Carry the selection to every step's inputs, down to the tables that no model makes."""
        for key, step_plan in reversed(plan.steps.items()):
            self.con.execute(
                "create or replace temp table current_rows as select col, id, sum(share) as share, min(role) as role"
                " from selected where step = ? group by col, id",
                [key],
            )
            count = self.con.execute("select count(*) from current_rows").fetchone()
            if count and count[0]:
                seen(key)
                self._walk_step(step_plan)

    def _walk_step(self, plan: StepPlan) -> None:
        kind = plan.step.kind
        if kind == "union":
            self._walk_union(plan)
        elif kind == "declared":
            self._walk_declared(plan)
        elif kind == "groups":
            self._walk_groups(plan)
        else:
            self._walk_rows(plan)

    def _insert(self, source: str, column: str, query: str) -> None:
        self.con.execute(f"insert into selected select {literal(source)}, {literal(column)}, {query}")

    def _walk_union(self, plan: StepPlan) -> None:
        for place, each in enumerate(plan.step.inputs):
            for ours, theirs in branch_columns(plan, each.source, self.steps).items():
                self._insert(
                    each.source,
                    theirs,
                    f"t.__p_{place}, c.share, c.role from current_rows as c inner join {table_of(plan.step.key)} as t on t.__id = c.id"
                    f" where c.col = {literal(ours)} and t.__p_{place} is not null",
                )

    def _walk_rows(self, plan: StepPlan) -> None:
        table = table_of(plan.step.key)
        for name, part in plan.parts.items():
            if part.windows:
                self._walk_windows(plan, name, part)
            for number, (key, weight) in enumerate(part.weights.items()):
                place, each = _place(plan.step, key[0])
                share, where = "c.share", ""
                if weight == UNKNOWN:
                    share = "cast(null as double)"
                elif weight != WHOLE:
                    column = f"t.{quote(_weight_column(name, number))}"
                    share, where = f"c.share * {column}", f" and {column} is distinct from 0"
                self._insert(
                    each.source,
                    key[1],
                    f"t.__p_{place}, {share}, c.role from current_rows as c inner join {table} as t on t.__id = c.id"
                    f" where c.col = {literal(name)} and t.__p_{place} is not null{where}",
                )
            self._decide(plan, part.sides, f"(select distinct id from current_rows where col = {literal(name)})")
        self._decide(plan, plan.deciders, "(select distinct id from current_rows)")

    def _decide(self, plan: StepPlan, keys: set[Key], rows: str) -> None:
        for alias, column in sorted(keys):
            place, each = _place(plan.step, alias)
            self._insert(
                each.source,
                column,
                f"t.__p_{place}, null, {DECIDES} from {rows} as c inner join {table_of(plan.step.key)} as t on t.__id = c.id"
                f" where t.__p_{place} is not null",
            )

    def _walk_windows(self, plan: StepPlan, name: str, part: Part) -> None:
        """The rows that a row is ranked against, or whose values it takes."""
        table = table_of(plan.step.key)
        for number, _ in enumerate(part.windows):
            group = quote(_group_column(name, number))
            peers = (
                f"(select distinct other.__id as id from current_rows as c inner join {table} as own on own.__id = c.id"
                f" inner join {table} as other on other.{group} = own.{group} where c.col = {literal(name)})"
            )
            self._decide(plan, part.sides | plan.deciders, peers)

    def _walk_groups(self, plan: StepPlan) -> None:
        table = table_of(plan.step.key)
        self.con.execute(
            "create or replace temp table members as select c.col, c.id, c.share, c.role, unnest(t.__m) as m"
            f" from current_rows as c inner join {table} as t on t.__id = c.id"
        )
        for name, part in plan.parts.items():
            if part.summand is None:
                continue
            shared = _share_members(name, part)
            for number, (key, weight) in enumerate(part.weights.items()):
                place, each = _place(plan.step, key[0])
                share = "s.part"
                where = ""
                if weight == UNKNOWN:
                    share = "cast(null as double)"
                elif weight != WHOLE:
                    share = f"s.part * s.m.{quote(_weight_column(name, number))}"
                    where = f" and s.m.{quote(_weight_column(name, number))} is distinct from 0"
                self._insert(
                    each.source,
                    key[1],
                    f"s.m.p_{place}, {share}, s.role from ({shared}) as s where s.m.p_{place} is not null{where}",
                )
            self._decide_members(plan, part.sides, f"(select distinct m from members where col = {literal(name)})")
        self._decide_members(plan, plan.deciders, "(select distinct m from members)")

    def _decide_members(self, plan: StepPlan, keys: set[Key], members: str) -> None:
        for alias, column in sorted(keys):
            place, each = _place(plan.step, alias)
            self._insert(each.source, column, f"s.m.p_{place}, null, {DECIDES} from {members} as s where s.m.p_{place} is not null")

    def _walk_declared(self, plan: StepPlan) -> None:
        """Rows of a declared parent whose columns equal those of the row; rows of the same model that they lead to are followed, too."""
        step = plan.step
        table = table_of(step.key)
        self.con.execute("create or replace temp table reached as select distinct id, share, role, col from current_rows")
        for entry in step.declared:
            self._follow_reaches(step, table, entry)
        for entry in step.declared:
            parent = step.input(str(entry["parent"]))
            join = _join_declared(entry)
            for column in [*self.steps.columns(parent.source), EXISTENCE]:
                shares = entry.get("shares") or {}
                share = shares.get(column) if isinstance(shares, dict) else None
                for name in plan.parts:
                    given = share.get(name) if isinstance(share, dict) else None
                    weight = f"c.share * ({self._place_tables(step, given)})" if given else "cast(null as double)"
                    self._insert(
                        parent.source,
                        column,
                        f"parent.__id, {weight}, c.role from reached as c inner join {table} as child on child.__id = c.id"
                        f" inner join {table_of(parent.source)} as parent on {join} where c.col = {literal(name)}",
                    )

    def _place_tables(self, step: Step, sql: str) -> str:
        """A declared share with its models' names as this trace's tables; `this` is the model's own."""
        tables = {each.alias: table_of(each.source) for each in step.inputs} | {"this": table_of(step.key)}
        tree = _parse(sql)
        for table in tree.find_all(exp.Table):
            table.replace(exp.alias_(exp.to_table(tables[table.name], dialect=DIALECT), table.alias_or_name, table=True))
        return tree.sql(DIALECT)

    def _follow_reaches(self, step: Step, table: str, entry: dict[str, Any]) -> None:
        reaches = entry.get("reaches")
        if not reaches:
            return
        parent = table_of(step.input(str(entry["parent"])).source)
        onward = " and ".join(f"other.{quote(own)} = {theirs}" for own, theirs in reaches.items())
        while True:
            added = self.con.execute(
                f"insert into reached select distinct other.__id, cast(null as double), {DECIDES}, c.col from reached as c"
                f" inner join {table} as child on child.__id = c.id inner join {parent} as parent on {_join_declared(entry)}"
                f" inner join {table} as other on {onward}"
                " where not exists (select 1 from reached as r where r.id = other.__id and r.col = c.col)"
            ).fetchone()
            if not added or not added[0]:
                return


def _join_declared(entry: dict[str, Any]) -> str:
    return " and ".join(f"parent.{quote(theirs)} is not distinct from child.{quote(own)}" for theirs, own in entry["on"].items()) or "true"


def _place(step: Step, alias: str) -> tuple[int, Any]:
    return next((place, each) for place, each in enumerate(step.inputs) if each.alias == alias)


def _weight_column(name: str, number: int) -> str:
    return f"__w_{name}_{number}"


def _group_column(name: str, number: int) -> str:
    return f"__g_{name}_{number}"


def _weights(plan: StepPlan) -> dict[str, str]:
    return {
        _weight_column(name, number): weight
        for name, part in plan.parts.items()
        for number, weight in enumerate(part.weights.values())
        if weight not in (WHOLE, UNKNOWN)
    }


def _parse(sql: str) -> exp.Expr:
    return exp.maybe_parse(sql, dialect=DIALECT)


def _add_keys(query: exp.Select, plan: StepPlan) -> exp.Select:
    added = [f"{quote(each.alias)}.__id as __p_{place}" for place, each in enumerate(plan.step.inputs)]
    added += [f"{weight} as {quote(name)}" for name, weight in _weights(plan).items()]
    for name, part in plan.parts.items():
        for number, window in enumerate(part.windows):
            keys = ", ".join(item.sql(DIALECT) for item in window.args.get("partition_by") or [])
            # One number for each partition, so that those of a partition meet by an equality.
            group = f"dense_rank() over (order by {keys})" if keys else "1"
            added.append(f"{group} as {quote(_group_column(name, number))}")
    return query.select(*(_parse(item) for item in added), copy=False)


def _add_members(query: exp.Select, plan: StepPlan) -> exp.Select:
    fields = [f"'p_{place}': {quote(each.alias)}.__id" for place, each in enumerate(plan.step.inputs)]
    fields += [f"'{name}': {weight}" for name, weight in _weights(plan).items()]
    for name, part in plan.parts.items():
        if part.summand is not None and part.summand.kind != "part":
            fields.append(f"'__v_{name}': {part.summand.value}")
    if query.args.get("distinct"):
        query.set("distinct", None)
        query = query.group_by(*(exp.Literal.number(place) for place in range(1, len(query.expressions) + 1)), copy=False)
    return query.select(_parse(f"list({{{', '.join(fields)}}}) as __m") if fields else _parse("null as __m"), copy=False)


def _share_members(name: str, part: Part) -> str:
    """SQL of a group's members with the part of the value that each has; those without a part in it are left to what decides."""
    summand = part.summand
    if summand is None or summand.kind == "part":
        return f"select m, cast(null as double) as part, role from members where col = {literal(name)}"
    value = f"m.{quote('__v_' + name)}"
    base = f"select id, m, share, role, {value} as v from members where col = {literal(name)} and {value} is not null"
    divided = {
        "sum": "v / nullif(sum(v) over (partition by id), 0)",
        "mean": "v / nullif(sum(v) over (partition by id), 0)",
        "count": "1.0 / count(*) over (partition by id)",
        "alike": "1.0 / count(*) over (partition by id)",
        "distinct": "1.0 / count(*) over (partition by id, v) / count(distinct v) over (partition by id)",
        "extreme": "1.0 / count(*) over (partition by id)",
        "spread": "d / nullif(sum(d) over (partition by id), 0)",
    }
    if summand.kind == "spread":
        base = f"select *, pow(v - avg(v) over (partition by id), 2) as d from ({base})"
    if summand.kind == "extreme":
        base = f"select * from ({base}) qualify v = {summand.direction}(v) over (partition by id)"
    if summand.kind == "percentile":
        return _share_percentile(base, summand.share)
    return f"select m, role, share * ({divided[summand.kind]}) as part from ({base})"


def _share_percentile(base: str, share: str) -> str:
    """The neighbours of the position have the value between them, each by what it adds; equal values share alike."""
    return (
        f"with ordered as (select *, row_number() over (partition by id order by v) - 1 as place,"
        f" (count(*) over (partition by id) - 1) * {share} as position from ({base})),"
        " weighed as (select *, greatest(0, 1 - abs(place - position)) as weight from ordered),"
        " levelled as (select *, sum(weight) over (partition by id, v) / count(*) over (partition by id, v) * v as d from weighed)"
        " select m, role, share * d / nullif(sum(d) over (partition by id), 0) as part from levelled"
        " qualify d > 0"
    )
