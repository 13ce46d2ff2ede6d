"""`--where`: what a person or a stranger types, read as a plain condition on a mart's own columns, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from warehouse.lineage.steps import DIALECT

LONGEST = 2000
MOST_NODES = 300
_TYPES = {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP}
_ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Null, exp.Boolean, exp.Literal,
    exp.Column, exp.Identifier, exp.In, exp.Between, exp.Like, exp.Neg, exp.Cast, exp.DataType,
)  # fmt: skip


class ConditionError(ValueError):
    """A condition that is not taken; carries what stands in its way."""


def read_condition(text: str, columns: Collection[str]) -> str:
    """The condition as SQL written anew from what was understood of it.

    Comparisons, `and`, `or`, `not`, `in` a list, `between`, `like`, `is null`, and dates as `date '2026-01-01'`; columns of the mart by their plain
    names. No subquery, no function, nothing else.

    Raises:
        ConditionError: anything else.
    """
    if len(text) > LONGEST:
        raise ConditionError(f"{len(text)} > {LONGEST}")
    try:
        statements = sqlglot.parse(f"select 1 where {text}", dialect=DIALECT)
        if len(statements) != 1 or not isinstance(statements[0], exp.Select):
            raise ConditionError(text)
        select = statements[0]
        where = select.args.get("where")
        extra = [name for name, value in select.args.items() if value and name not in ("expressions", "where", "kind", "hint")]
        if where is None or extra or len(select.expressions) != 1:
            raise ConditionError(", ".join(extra) or text)
        _check(where.this, columns)
        return str(where.this.sql(DIALECT, comments=False))
    except (SqlglotError, RecursionError) as error:  # the parser's own words name its classes, not what was typed
        raise ConditionError(text.strip()[:80] or "''") from error


def _suggest(name: str, columns: Collection[str]) -> str:
    """A name that is no column's, with the column that may have been meant."""
    nearest = get_close_matches(name, columns, n=1)
    return f"{name} (→ {nearest[0]}?)" if nearest else name


def _check(node: exp.Expr, columns: Collection[str]) -> None:
    for count, part in enumerate(node.walk()):
        if count > MOST_NODES or not isinstance(part, _ALLOWED):
            raise ConditionError(part.sql(DIALECT)[:80])
        if isinstance(part, exp.Column) and (part.table or part.name not in columns):
            raise ConditionError(_suggest(part.sql(DIALECT)[:80], columns))
        if isinstance(part, exp.In) and (part.args.get("query") or part.args.get("unnest") or part.args.get("field")):
            raise ConditionError(part.sql(DIALECT)[:80])
        if isinstance(part, exp.Cast) and not (part.to.this in _TYPES and isinstance(part.this, exp.Literal)):
            raise ConditionError(part.sql(DIALECT)[:80])
