"""Which columns make up a column, by the models alone: the way that the trace of rows goes, without rows."""

from __future__ import annotations

from collections.abc import Callable

from warehouse.lineage.plan import branch_columns, plan_step
from warehouse.lineage.steps import EXISTENCE, Key, Steps

ANY = "*"  # some column or other: a program or a recursion says which relations it reads and no more


def list_inputs(steps: Steps, key: str, column: str) -> set[Key]:
    """The columns of its inputs that a column of one step is made of: relation and column. Conditions and joins are none of them."""
    step = steps.by_key[key]
    plan = plan_step(step, {column}, steps)
    if step.kind == "declared":
        return {(each.source, ANY) for each in step.inputs}
    if step.kind == "union":
        return {(each.source, branch_columns(plan, each.source, steps)[column]) for each in step.inputs}
    part = plan.parts[column]
    return {(step.input(alias).source, name) for alias, name in set(part.weights) | part.sides if name != EXISTENCE}


def list_parents(steps: Steps, place: str, column: str) -> list[Key]:
    """The columns of other models, sources and lists that a model's column is made of."""
    models = set(steps.final.values())
    return _follow(steps, steps.final[place], column, lambda source: source in models or source in steps.leaves)


def list_origins(steps: Steps, place: str, column: str) -> list[Key]:
    """The columns at the far end: of landing, of lists, and of programs on the way by their name alone."""
    return _follow(steps, steps.final[place], column, lambda source: source in steps.leaves or steps.by_key[source].kind == "declared")


def _follow(steps: Steps, start: str, column: str, ends: Callable[[str], bool]) -> list[Key]:
    places = {key: place for place, key in steps.final.items()}
    found: set[Key] = set()
    seen: set[Key] = set()
    waiting = [(start, column)]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for source, name in list_inputs(steps, *current):
            if ends(source):
                is_program = source in steps.by_key and steps.by_key[source].kind == "declared"
                found.add((places.get(source, source), ANY if is_program else name))
            elif name != ANY:
                waiting.append((source, name))
    return sorted(found)
