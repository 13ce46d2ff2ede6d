"""A model's compiled SQL as steps, one per CTE and branch: what each reads, what its columns are made of, what decides its rows.

Nothing is declared twice: a model that is plain SQL tells its own lineage. What cannot be read this way is refused by name, so that no
mart can lose its lineage in silence; a Python model, and SQL that calls itself, declares its parents in its YAML (`meta.lineage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from warehouse.replay import Model

DIALECT = "duckdb"
EXISTENCE = "*"  # a row's being there, as what a count counts
Key = tuple[str, str]  # alias of an input, column


class LineageError(ValueError):
    """A model whose lineage cannot be read; names the model and the form."""


@dataclass(frozen=True)
class Input:
    """One relation that a step reads: another step, or a table of landing or of the lists. `side` says how it is joined."""

    alias: str
    source: str
    side: str  # from, inner, cross, left, full


@dataclass
class Step:
    """One relation on the way to a model's rows.

    kind: `rows` (a row per joined row), `groups` (a row per group), `union`, `declared` (a whole model, by its YAML).
    columns: output column -> its expression over the inputs.
    surrogates: columns that only number the rows, so that no figure rests on how they came about.
    """

    key: str
    kind: str
    inputs: list[Input]
    columns: dict[str, exp.Expr]
    query: exp.Select | None = None
    declared: list[dict[str, object]] = field(default_factory=list)
    surrogates: frozenset[str] = frozenset()

    def input(self, alias: str) -> Input:
        return next(item for item in self.inputs if item.alias == alias)


@dataclass
class Steps:
    """All steps of some models, what they read first; `final` gives the step of each model by its place."""

    by_key: dict[str, Step] = field(default_factory=dict)
    final: dict[str, str] = field(default_factory=dict)
    leaves: dict[str, list[str]] = field(default_factory=dict)

    def columns(self, key: str) -> list[str]:
        return list(self.by_key[key].columns) if key in self.by_key else self.leaves[key]


def read_steps(models: list[Model], leaves: Mapping[str, list[str]]) -> Steps:
    """The steps of models, which are given parents first.

    Args:
        leaves: tables that no model makes, `schema.name` -> columns.

    Raises:
        LineageError: a form whose lineage is not known.
    """
    steps = Steps(leaves=dict(leaves))
    for model in models:
        if model.language == "python" or model.lineage:
            _read_declared(model, steps)
        else:
            _Reader(model, steps).read()
    return steps


def _read_declared(model: Model, steps: Steps) -> None:
    if not model.lineage:
        raise LineageError(f"{model.name}: Python 模型须在 YAML 中声明 meta.lineage / a Python model declares meta.lineage in its YAML")
    declared = {f"{parent.split('.', 1)[1]}": parent for parent in model.parents}
    named = {str(entry["parent"]) for entry in model.lineage}
    if missing := set(declared) - named:
        raise LineageError(f"{model.name}: meta.lineage 缺少 / lacks {', '.join(sorted(missing))}")
    inputs = [Input(name, steps.final.get(place, place), "left") for name, place in declared.items()]
    columns: dict[str, exp.Expr] = {name: exp.null() for name in model.outputs}
    steps.by_key[model.place] = Step(model.place, "declared", inputs, columns, declared=model.lineage)
    steps.final[model.place] = model.place


class _Reader:
    """Reads one SQL model."""

    def __init__(self, model: Model, steps: Steps) -> None:
        self.model, self.steps = model, steps
        self.scope: dict[str, str] = {}

    def read(self) -> None:
        tree = sqlglot.parse_one(self.model.code, dialect=DIALECT)
        if not isinstance(tree, exp.Query):
            raise self._refuse(tree)
        if tree.args.get("with_") is not None and tree.args["with_"].args.get("recursive"):
            raise LineageError(
                f"{self.model.name}: 递归的模型须在 YAML 中声明 meta.lineage / a recursive model declares meta.lineage in its YAML"
            )
        for cte in tree.ctes:
            self.scope[cte.alias] = self._read_query(cte.this, f"{self.model.place}/{cte.alias}")
        tree.set("with_", None)
        self.steps.final[self.model.place] = self._read_query(tree, self.model.place)

    def _refuse(self, node: exp.Expr) -> LineageError:
        return LineageError(f"{self.model.name}: 无法读出来源 / lineage not known: {node.sql(DIALECT)[:120]}")

    def _add(self, step: Step) -> str:
        step.surrogates = frozenset(self.model.surrogates)
        self.steps.by_key[step.key] = step
        return step.key

    def _read_query(self, node: exp.Expr, key: str) -> str:
        if isinstance(node, exp.Union):
            return self._read_union(node, key)
        if isinstance(node, exp.Select):
            return self._read_select(node, key)
        raise self._refuse(node)

    def _read_union(self, node: exp.Union, key: str) -> str:
        branches = [self._read_query(side, f"{key}#{place}") for place, side in ((1, node.left), (2, node.right))]
        names = self.steps.columns(branches[0])
        inputs = [Input(f"branch_{place}", branch, "from") for place, branch in enumerate(branches, 1)]
        is_distinct = bool(node.args.get("distinct"))
        union = Step(f"{key}#all" if is_distinct else key, "union", inputs, {name: exp.column(name) for name in names})
        self._add(union)
        if not is_distinct:
            return union.key
        query = exp.select(*(exp.column(name, "branches") for name in names)).from_("branches").distinct()
        return self._add(Step(key, "groups", [Input("branches", union.key, "from")], _outputs(query), query))

    def _read_select(self, node: exp.Select, key: str) -> str:
        inputs = self._read_inputs(node)
        query = node.copy()
        query.set("expressions", self._expand(query, inputs))
        for name in ("limit", "offset", "qualify", "laterals", "order"):
            if query.args.get(name):
                raise self._refuse(node)
        if list(query.find_all(exp.Subquery, exp.Exists)):
            raise self._refuse(node)
        self._qualify(query, inputs)
        if _is_same(query, inputs, self.steps):
            return inputs[0].source
        has_groups = bool(query.args.get("group") or query.args.get("distinct") or _has_aggregate(query))
        return self._add(Step(key, "groups" if has_groups else "rows", inputs, _outputs(query), query))

    def _read_inputs(self, node: exp.Select) -> list[Input]:
        origin = node.args.get("from_")
        if origin is None:
            return []
        inputs = [self._read_input(origin.this, "from")]
        for join in node.args.get("joins") or []:
            side = (join.side or join.kind or ("inner" if join.args.get("on") else "cross")).lower()
            if side not in ("inner", "cross", "left", "full") or join.args.get("using"):
                raise self._refuse(join)
            inputs.append(self._read_input(join.this, side))
        return inputs

    def _read_input(self, table: exp.Expr, side: str) -> Input:
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
            raise self._refuse(table)
        if not table.db:
            return Input(table.alias_or_name, self.scope[table.name], side)
        place = f"{table.db}.{table.name}"
        if place not in self.steps.final and place not in self.steps.leaves:
            raise LineageError(f"{self.model.name}: 未知的表 / unknown table {place}")
        return Input(table.alias_or_name, self.steps.final.get(place, place), side)

    def _expand(self, query: exp.Select, inputs: list[Input]) -> list[exp.Expr]:
        """The select list with every star written out."""
        found: list[exp.Expr] = []
        for item in query.expressions:
            if isinstance(item, exp.Star):
                found += [exp.column(name, each.alias) for each in inputs for name in self.steps.columns(each.source)]
            elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                source = next(each for each in inputs if each.alias == item.table)
                found += [exp.column(name, source.alias) for name in self.steps.columns(source.source)]
            else:
                found.append(item)
        return found

    def _qualify(self, query: exp.Select, inputs: list[Input]) -> None:
        """Give every column its input; a name that no input has is a parameter of a lambda."""
        parameters = {name.name for item in query.find_all(exp.Lambda) for name in item.expressions}
        aliases = {each.alias for each in inputs}
        for column in list(query.find_all(exp.Column)):
            if column.table:
                if column.table not in aliases:
                    raise self._refuse(column)
            elif column.name not in parameters:
                owners = [each.alias for each in inputs if column.name in self.steps.columns(each.source)]
                if len(owners) != 1:
                    raise self._refuse(column)
                column.set("table", exp.to_identifier(owners[0]))


def _outputs(query: exp.Select) -> dict[str, exp.Expr]:
    return {item.alias_or_name: item.unalias() for item in query.expressions}


def _has_aggregate(query: exp.Select) -> bool:
    """Whether the select list aggregates other than in a window."""
    return any(True for item in query.expressions for _ in aggregates(item))


def aggregates(node: exp.Expr) -> list[exp.Expr]:
    """The aggregates of an expression, outermost only, those of windows left out."""
    if isinstance(node, exp.Window):
        return []
    if isinstance(node, exp.AggFunc):
        return [node]
    return [found for child in node.iter_expressions() for found in aggregates(child)]


def _is_same(query: exp.Select, inputs: list[Input], steps: Steps) -> bool:
    """Whether a select is its only input, column for column."""
    if len(inputs) != 1 or any(query.args.get(name) for name in ("where", "group", "having", "distinct", "joins")):
        return False
    plain = [item.name for item in query.expressions if isinstance(item, exp.Column)]
    return plain == steps.columns(inputs[0].source) and len(plain) == len(query.expressions)
