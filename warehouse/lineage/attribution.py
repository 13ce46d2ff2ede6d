"""How much of a value each column has that it is made of, read off the expression.

An expression over one joined row splits a value among the columns it is made of: a sum by its terms, a product gives the whole to each of
its factors (each factor's own source adds up by itself), a quotient to its numerator, a case to the branch that was taken. An aggregate
splits a value among the rows of its group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from warehouse.lineage.steps import DIALECT, Key, aggregates

WHOLE, UNKNOWN = "1", "null"
_FIRST = (exp.Neg, exp.Alias, exp.Cast, exp.TryCast, exp.Round, exp.Paren, exp.Abs, exp.Nullif, exp.Sqrt, exp.Floor, exp.Ceil)
_TWO_SIDED = (exp.Add, exp.Sub, exp.Mul, exp.Div)


@dataclass
class Attribution:
    """`weights`: column -> SQL of its part of the value (`null`: a part that no number tells). `sides`: columns that decide which value
    it is without being part of it: conditions, denominators, orders."""

    weights: dict[Key, str] = field(default_factory=dict)
    sides: set[Key] = field(default_factory=set)
    has_window: bool = False


def columns_of(node: exp.Expr | None) -> set[Key]:
    """The columns that an expression names."""
    return set() if node is None else {(column.table, column.name) for column in node.find_all(exp.Column) if column.table}


def attribute(node: exp.Expr) -> Attribution:
    """The parts of a value that one row's expression gives."""
    for kinds, rule in _RULES:
        if isinstance(node, kinds):
            return rule(node)
    return _attribute_function(node)


def _attribute_column(node: exp.Expr) -> Attribution:
    return Attribution({(node.table, node.name): WHOLE} if isinstance(node, exp.Column) and node.table else {})


def _attribute_window(node: exp.Expr) -> Attribution:
    return Attribution({}, columns_of(node), True)


def _attribute_first(node: exp.Expr) -> Attribution:
    """A function that carries its first argument on; the others decide."""
    inner = attribute(node.this)
    rest: set[Key] = set()
    for name, item in node.args.items():
        if name != "this" and isinstance(item, exp.Expr):
            rest |= columns_of(item)
    return Attribution(inner.weights, inner.sides | rest, inner.has_window)


def _attribute_function(node: exp.Expr) -> Attribution:
    """A function no rule is known for: the whole where it looks at one column, else parts that no number tells."""
    found = columns_of(node)
    has_window = bool(list(node.find_all(exp.Window)))
    windowed = set().union(*(columns_of(item) for item in node.find_all(exp.Window))) if has_window else set()
    weight = WHOLE if len(found) == 1 and not has_window else UNKNOWN
    return Attribution({key: weight for key in sorted(found - windowed)}, windowed, has_window)


def _number(node: exp.Expr) -> str:
    """A term as a double; what is no number, as a date, becomes null instead of an error."""
    return f"try_cast(cast(({node.sql(DIALECT)}) as varchar) as double)"


def _attribute_two(node: exp.Expr) -> Attribution:
    left, right = attribute(node.this), attribute(node.expression)
    sides = left.sides | right.sides
    has_window = left.has_window or right.has_window
    if not right.weights or not left.weights:
        return Attribution(left.weights or right.weights, sides, has_window)
    if isinstance(node, exp.Mul):
        return Attribution(right.weights | left.weights, sides, has_window)
    if isinstance(node, exp.Div):
        return Attribution(left.weights, sides | (set(right.weights) - set(left.weights)), has_window)
    first, second = _number(node.this), _number(node.expression)
    if isinstance(node, exp.Sub):
        second = f"(-{second})"
    weights = {}
    for key in sorted(set(left.weights) | set(right.weights)):
        parts = " + ".join(f"({side.weights[key]}) * {term}" for side, term in ((left, first), (right, second)) if key in side.weights)
        weights[key] = f"({parts}) / nullif({first} + {second}, 0)"
    return Attribution(weights, sides, has_window)


def _choose(conditions: list[str], weights: list[str]) -> str:
    """The weight of the branch taken; conditions are one fewer than weights."""
    if len(set(weights)) == 1:
        return weights[0]
    branches = " ".join(f"when {condition} then {weight}" for condition, weight in zip(conditions, weights, strict=False))
    return f"case {branches} else {weights[-1]} end"


def _combine(conditions: list[str], branches: list[Attribution], sides: set[Key]) -> Attribution:
    keys = sorted(set().union(*(branch.weights for branch in branches)))
    weights = {key: _choose(conditions, [branch.weights.get(key, "0") for branch in branches]) for key in keys}
    for branch in branches:
        sides |= branch.sides
    return Attribution(weights, sides - set(weights), any(branch.has_window for branch in branches))


def _attribute_case(node: exp.Expr) -> Attribution:
    tests = [exp.EQ(this=node.this.copy(), expression=item.this.copy()) if node.this else item.this for item in node.args["ifs"]]
    results = [item.args["true"] for item in node.args["ifs"]] + [node.args.get("default") or exp.null()]
    sides = set().union(*(columns_of(test) for test in tests))
    combined = _combine([test.sql(DIALECT) for test in tests], [attribute(result) for result in results], sides)
    has_window = combined.has_window or any(list(test.find_all(exp.Window)) for test in tests)
    return Attribution(combined.weights, combined.sides, has_window)


def _attribute_choice(node: exp.Expr) -> Attribution:
    items = [node.this, *node.expressions]
    tests = [f"({item.sql(DIALECT)}) is not null" for item in items[:-1]]
    return _combine(tests, [attribute(item) for item in items], set())


def _attribute_extreme(node: exp.Expr) -> Attribution:
    """The least or greatest of several is the one that it equals."""
    items = [node.this, *node.expressions]
    whole = node.sql(DIALECT)
    return _combine(
        [f"({item.sql(DIALECT)}) is not distinct from ({whole})" for item in items[:-1]], [attribute(item) for item in items], set()
    )


_RULES: list[tuple[tuple[type[exp.Expr], ...], Callable[[exp.Expr], Attribution]]] = [
    ((exp.Column,), _attribute_column),
    ((exp.Window,), _attribute_window),
    ((exp.Case,), _attribute_case),
    ((exp.Coalesce,), _attribute_choice),
    ((exp.Least, exp.Greatest), _attribute_extreme),
    (_FIRST, _attribute_first),
    (_TWO_SIDED, _attribute_two),
]


@dataclass(frozen=True)
class Summand:
    """What a group's rows give to a value. kind: `sum`, `mean`, `count`, `distinct`, `percentile`, `extreme`, `spread`, `alike` (a key of the
    group, and its being there: every row gives it as much as the next), `part` (no number tells)."""

    kind: str
    value: str  # SQL of the row's own value
    inner: Attribution
    share: str = ""  # of a percentile: its place from 0 to 1
    direction: str = ""  # of an extreme: max or min
    sides: frozenset[Key] = frozenset()


def summarise(node: exp.Expr, existence: Key) -> Summand:
    """How rows of a group make up a value."""
    found = _carrier(node)
    everything = columns_of(node)
    if not aggregates(node):
        return Summand("alike", "1.0", attribute(node))
    if found is None:
        weights = {key: UNKNOWN for key in sorted(everything)} or ({existence: UNKNOWN} if aggregates(node) else {})
        return Summand("part", "null", Attribution(weights))
    made = _summarise_aggregate(found, existence)
    rest = everything - set(made.inner.weights)
    return Summand(made.kind, made.value, made.inner, made.share, made.direction, frozenset(rest | made.inner.sides))


def _carrier(node: exp.Expr) -> exp.Expr | None:
    """The one aggregate whose rows share the value out: of a quotient the numerator's, of a case the branches' if all have the same."""
    if isinstance(node, exp.AggFunc) or _list_function(node):
        return node
    if isinstance(node, exp.Div):
        return _carrier(node.left) if aggregates(node.left) else _carrier(node.right)
    if isinstance(node, exp.Mul | exp.Add | exp.Sub):
        sides = [side for side in (node.left, node.right) if aggregates(side)]
        return _carrier(sides[0]) if len(sides) == 1 else None
    if isinstance(node, exp.Case):
        results = [item.args["true"] for item in node.args["ifs"]] + [node.args.get("default")]
        carriers = {found for result in results if result is not None and (found := _carrier(result)) is not None}
        return next(iter(carriers)) if len(carriers) == 1 else None
    if isinstance(node, (exp.Coalesce, *_FIRST)):
        return _carrier(node.this)
    return None


def _list_function(node: exp.Expr) -> str:
    """The name of a list function over the sorted list of a group, as the ordered aggregates are written for DuckDB."""
    if isinstance(node, exp.Anonymous) and node.name.lower() in ("list_sum", "list_avg", "list_stddev_samp") and aggregates(node):
        return node.name.lower()
    return ""


_LIST_KINDS = {"list_sum": "sum", "list_avg": "mean", "list_stddev_samp": "spread"}


def _summarise_aggregate(node: exp.Expr, existence: Key) -> Summand:
    name = _list_function(node)
    if name:
        collected = aggregates(node)[0].this
        return Summand(_LIST_KINDS[name], _number(collected), attribute(collected))
    if isinstance(node, exp.Count):
        return _summarise_count(node, existence)
    if isinstance(node, exp.Sum | exp.Avg):
        return Summand("sum" if isinstance(node, exp.Sum) else "mean", _number(node.this), attribute(node.this))
    if isinstance(node, exp.PercentileCont):
        return Summand("percentile", _number(node.this), attribute(node.this), share=node.expression.sql(DIALECT))
    return _summarise_extreme(node)


def _summarise_extreme(node: exp.Expr) -> Summand:
    direction = "max" if isinstance(node, exp.Max | exp.ArgMax) else "min"
    if isinstance(node, exp.Max | exp.Min):
        return Summand("extreme", f"({node.this.sql(DIALECT)})", attribute(node.this), direction=direction)
    if isinstance(node, exp.ArgMax | exp.ArgMin):
        value = f"case when ({node.this.sql(DIALECT)}) is not null then ({node.expression.sql(DIALECT)}) end"
        return Summand("extreme", value, attribute(node.this), direction=direction, sides=frozenset(columns_of(node.expression)))
    return Summand("part", "null", Attribution({key: UNKNOWN for key in sorted(columns_of(node))}))


def _summarise_count(node: exp.Count, existence: Key) -> Summand:
    counted = node.this
    if isinstance(counted, exp.Distinct):
        inner = counted.expressions[0]
        return Summand("distinct", f"cast(({inner.sql(DIALECT)}) as varchar)", attribute(inner))
    if isinstance(counted, exp.Star) or counted is None or isinstance(counted, exp.Literal):
        return Summand("count", "1.0", Attribution({existence: WHOLE}))
    inner = attribute(counted)
    value = f"case when ({counted.sql(DIALECT)}) is not null then 1.0 end"
    # What is counted is that there is a value, not how great it is: a constant under a condition counts rows.
    return Summand(
        "count", value, Attribution(inner.weights or {existence: WHOLE}, inner.sides | (columns_of(counted) - set(inner.weights)))
    )
