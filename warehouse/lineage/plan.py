"""Which columns of which steps a figure needs, found before any row is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from warehouse.lineage.attribution import WHOLE, Attribution, Summand, attribute, columns_of, summarise
from warehouse.lineage.steps import EXISTENCE, Key, Step, Steps


@dataclass
class Part:
    """How one needed column of a step is made: the parts of its value, what decides them, and, of a group, how rows share it out."""

    weights: dict[Key, str]
    sides: set[Key]
    summand: Summand | None = None
    windows: list[exp.Window] = field(default_factory=list)


@dataclass
class StepPlan:
    """What a figure needs of one step. `deciders` say which rows there are at all: conditions, keys of groups, columns of joins."""

    step: Step
    parts: dict[str, Part] = field(default_factory=dict)
    deciders: set[Key] = field(default_factory=set)


@dataclass
class Plan:
    """All steps that a figure needs, the figure's own last, and the columns it needs of tables that no model makes."""

    steps: dict[str, StepPlan]
    leaves: dict[str, set[str]]


def plan_figure(steps: Steps, key: str, columns: set[str]) -> Plan:
    """What some columns of a step follow from."""
    needed: dict[str, set[str]] = {key: set(columns)}
    planned: dict[str, StepPlan] = {}
    for name in reversed(list(steps.by_key)):
        if name in needed:
            step = steps.by_key[name]
            planned[name] = plan_step(step, needed[name] | {EXISTENCE}, steps)
            for each in step.inputs:  # read whether or not a column of it is needed: a join may drop or repeat rows
                needed.setdefault(each.source, set())
            for source, column in _asks(planned[name], steps):
                needed[source].add(column)
    return Plan(dict(reversed(planned.items())), {name: needed[name] for name in needed if name in steps.leaves})


def _asks(plan: StepPlan, steps: Steps) -> set[tuple[str, str]]:
    if plan.step.kind == "union":
        return {(each.source, column) for each in plan.step.inputs for column in _by_place(plan, each.source, steps).values()}
    if plan.step.kind == "declared":
        return {(each.source, column) for each in plan.step.inputs for column in [*steps.columns(each.source), EXISTENCE]}
    asked = set(plan.deciders)
    for part in plan.parts.values():
        asked |= set(part.weights) | part.sides
    return {(plan.step.input(alias).source, column) for alias, column in asked}


def _by_place(plan: StepPlan, source: str, steps: Steps) -> dict[str, str]:
    """Column of a union -> that of a branch, which may be named otherwise."""
    names = dict(zip(plan.step.columns, steps.columns(source), strict=True)) | {EXISTENCE: EXISTENCE}
    return {name: names[name] for name in plan.parts}


branch_columns = _by_place


def plan_step(step: Step, columns: set[str], steps: Steps) -> StepPlan:
    """How the needed columns of one step are made."""
    plan = StepPlan(step)
    if step.kind in ("union", "declared"):
        plan.parts = {name: Part({}, set()) for name in sorted(columns)}
        return plan
    first: Key | None = (step.inputs[0].alias, EXISTENCE) if step.inputs else None
    for name in sorted(columns):
        plan.parts[name] = _plan_part(step, name, first)
    plan.deciders = _find_deciders(step, plan)
    return plan


def _plan_part(step: Step, name: str, first: Key | None) -> Part:
    if name == EXISTENCE:
        # A group is there by its members, each as much as the next; a row by the row that it starts from.
        attribution = Attribution({first: WHOLE} if first else {})
        return Part(attribution.weights, set(), Summand("alike", "1.0", attribution) if step.kind == "groups" else None)
    node = step.columns[name]
    if name in step.surrogates:
        return Part({}, set())
    windows = list(node.find_all(exp.Window))
    if step.kind == "groups":
        summand = summarise(node, first or ("", EXISTENCE))
        return Part(summand.inner.weights, set(summand.sides), summand, windows)
    attribution = attribute(node)
    return Part(attribution.weights, attribution.sides, None, windows)


def _find_deciders(step: Step, plan: StepPlan) -> set[Key]:
    """Columns of conditions and joins. A left join decides nothing for columns that take nothing from it: it keeps every row."""
    query = step.query
    if query is None:
        return set()
    found: set[Key] = set()
    for name in ("where", "having", "group"):
        found |= columns_of(query.args.get(name))
    if query.args.get("distinct"):
        found |= set().union(*(columns_of(item) for item in query.expressions))
    joins = {each.alias: join for each, join in zip(step.inputs[1:], query.args.get("joins") or [], strict=True)}
    used = {alias for alias, _ in found}
    for part in plan.parts.values():
        used |= {alias for alias, _ in set(part.weights) | part.sides}
    for each in reversed(step.inputs):
        join = joins.get(each.alias)
        if join is not None and (each.side != "left" or each.alias in used):
            keys = columns_of(join.args.get("on"))
            found |= keys
            used |= {alias for alias, _ in keys}
    for each in step.inputs:
        if each.side in ("from", "inner", "cross", "full"):
            found.add((each.alias, EXISTENCE))
    return found
