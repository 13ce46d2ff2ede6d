"""Decides whether a delivery may land and whether the marts may be released.

A gate passes only what it has looked at: the checks that were evaluated and the rows that were examined are counted here from what
Great Expectations reports, and zero of either is a failure, as is a check that broke, was taken away or compared with NULL.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import duckdb

from expectations.check import Check, Limits, Severity, quote_name, quote_text, read_thresholds
from expectations.structure import list_structural_checks, plan_structural_codes
from ingest.contract import Contract, Message

if TYPE_CHECKING:
    from expectations.examiner import Examiner, Finding

MARTS = Path(__file__).parent / "marts"
BUILD_SCHEMAS = ("marts", "intermediate", "staging", "landing", "reference")


@dataclass(frozen=True)
class Failure:
    """One check that did not hold, or that could not be asked."""

    check: str
    severity: Severity
    message: Message
    observed: str


@dataclass(frozen=True)
class GateResult:
    """What a gate decided, and on what."""

    suite: str
    success: bool
    checks_run: int
    rows_examined: int
    failures: tuple[Failure, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Candidate:
    """A read delivery that wants to land.

    `landing` is Parquet of the rows to be accepted, in the contract's types with lineage columns; `verdicts` is Parquet with one row
    per received row (`_row_number`, `verdict`); `previous` is the landing Parquet of the source's last accepted delivery.
    """

    contract: Contract
    delivery_id: str
    file: str
    landing: Path
    verdicts: Path
    counts: dict[str, int]
    previous: Path | None


def _limits(*suites: str) -> Limits:
    thresholds = read_thresholds()
    return Limits(suites[-1], [entry for suite in suites for entry in thresholds.get(suite, ())])


def _fail(code: str, observed: str, severity: Severity | None = None) -> Failure:
    threshold = _limits("gate").of(code)
    return Failure(code, severity or threshold.severity, threshold.message, observed)


def _find_module(package: str, name: str) -> ModuleType | None:
    path = f"expectations.{package}.{name}"
    return importlib.import_module(path) if importlib.util.find_spec(path) else None


def _weigh(finding: Finding, limits: Limits) -> Failure | None:
    if finding.success:
        return None
    threshold = limits.of(finding.code)
    if finding.error is not None or finding.examined is None:
        # Whatever the check was for, a gate that cannot ask its question must not open.
        return _fail("check_crashed", f"{finding.code}: {finding.error or finding.evidence}")
    return Failure(finding.code, threshold.severity, threshold.message, finding.evidence)


def _decide(
    limits: Limits, *, planned: Iterable[str], findings: Sequence[Finding], rows: int, extra: Sequence[Failure], started: float
) -> GateResult:
    """Put a result together. `planned` comes from the thresholds, so that a suite which lost a check is noticed."""
    failures = [failure for failure in (_weigh(finding, limits) for finding in findings) if failure]
    missing = sorted(set(planned) - {finding.code for finding in findings})
    if missing:
        failures.append(_fail("checks_missing", ", ".join(missing)))
    checks = sum(finding.examined is not None for finding in findings)
    if rows <= 0 or checks == 0:
        failures.append(_fail("nothing_examined", f"{rows} rows, {checks} checks"))
    failures.extend(extra)
    failures.sort(key=lambda failure: failure.severity)  # critical sorts before all others
    blocked = any(failure.severity == "critical" for failure in failures)
    success = not blocked and checks > 0 and rows > 0
    return GateResult(limits.suite, success, checks, rows, tuple(failures), round(time.perf_counter() - started, 4))


class Gatekeeper:
    """Judges deliveries and marts. Costs a few seconds once per process; keep one and ask it again."""

    def __init__(self, docs: Path | None, keep: int = 20) -> None:
        self._docs = docs
        self._keep = keep
        self._made: Examiner | None = None

    @property
    def _examiner(self) -> Examiner:
        if self._made is None:
            from expectations.examiner import Examiner

            self._made = Examiner(self._docs, self._keep)
            self._made.run("create schema delivery")
        return self._made

    # --- deliveries ---------------------------------------------------------------------------------------------------------------

    def judge_delivery(self, candidate: Candidate) -> GateResult:
        """Hold a delivery to its contract, and to what is known about its source."""
        started = time.perf_counter()
        contract = candidate.contract
        suite = f"landing.{contract.source}"
        limits = _limits("landing", suite)
        try:
            self._show_delivery(candidate)
            has_previous = bool(self._examiner.run("select 1 from delivery.previous limit 1"))
        except duckdb.Error as error:
            observed = f"{candidate.file}: {str(error).splitlines()[0]}"
            return GateResult(suite, False, 0, 0, (_fail("check_crashed", observed),), round(time.perf_counter() - started, 4))
        checks = list_structural_checks(contract, candidate.delivery_id, candidate.counts, limits)
        module = _find_module("landing", contract.source)
        if module is not None:
            checks.extend(module.list_checks(contract, limits))
        structural = plan_structural_codes(contract, _limits("landing"))
        planned = structural | _limits(suite).codes
        extra = []
        if not has_previous:
            planned -= limits.comparing()
            checks = [check for check in checks if check.code not in limits.comparing()]
            extra.append(_fail("first_delivery", contract.source))
        findings = self._examiner.examine(suite, "delivery.landing", checks, limits) if checks else []
        extra.extend(_note_nothing_compared(findings, limits) if has_previous else ())
        rows = next((finding.examined or 0 for finding in findings if finding.code == "conservation"), 0)
        return _decide(limits, planned=planned, findings=findings, rows=rows, extra=extra, started=started)

    def _show_delivery(self, candidate: Candidate) -> None:
        types = candidate.contract.landing_types()
        nothing = ", ".join(f"cast(null as {kind}) as {quote_name(name)}" for name, kind in types.items())
        previous = f"select {nothing} where false" if candidate.previous is None else _read_parquet(candidate.previous)
        for name, query in (
            ("landing", _read_parquet(candidate.landing)),
            ("verdicts", _read_parquet(candidate.verdicts)),
            ("previous", previous),
        ):
            self._examiner.run(f"create or replace view delivery.{name} as {query}")

    # --- marts --------------------------------------------------------------------------------------------------------------------

    def judge_marts(self, warehouse: Path, previous: Path | None = None) -> list[GateResult]:
        """Judge every instrument that has a module in `expectations/marts/`, on a build that nobody is writing.

        An instrument none of whose sources has delivered anything, now or in the last release, has rightly empty marts and is left out
        with a warning in the other results; when that is true of all of them, all are judged, and fail.
        """
        instruments = sorted(path.stem for path in MARTS.glob("*.py") if path.stem != "__init__")
        suites = [f"marts.{instrument}" for instrument in instruments]
        attached: list[str] = []
        try:
            self._show_build(warehouse, previous, attached)
            fed = [instrument for instrument in instruments if self._is_fed(instrument)] or instruments
            left_out = [_fail("instrument_not_fed", instrument) for instrument in instruments if instrument not in fed]
            return [self._judge_instrument(instrument, previous is not None, left_out) for instrument in fed]
        except duckdb.Error as error:
            crashed = _fail("check_crashed", f"{warehouse.name}: {str(error).splitlines()[0]}")
            return [GateResult(suite, False, 0, 0, (crashed,), 0.0) for suite in suites]
        finally:
            self._hide_build(attached)

    def _show_build(self, warehouse: Path, previous: Path | None, attached: list[str]) -> None:
        """Show the build's tables under their own schemas, and the last release's marts under `previous`.

        The file is attached under its own name because views that dbt makes name their database.
        """
        shown = [(warehouse, warehouse.stem, {schema: schema for schema in BUILD_SCHEMAS})]
        if previous is not None:
            shown.append((previous, f"{previous.stem} before", {"marts": "previous"}))
        for schema in (*BUILD_SCHEMAS, "previous"):
            self._examiner.run(f"create schema if not exists {schema}")
        for path, name, schemas in shown:
            self._examiner.run(f"attach {quote_text(str(path))} as {quote_name(name)} (read_only)")
            attached.append(name)
            found = self._examiner.run(
                "select schema_name, table_name from duckdb_tables() where database_name = " + quote_text(name) + " union all"
                " select schema_name, view_name from duckdb_views() where not internal and database_name = " + quote_text(name)
            )
            for schema, table in found:
                if schema in schemas:
                    target = f"{schemas[schema]}.{quote_name(table)}"
                    source = f"{quote_name(name)}.{quote_name(schema)}.{quote_name(table)}"
                    self._examiner.run(f"create or replace view {target} as select * from {source}")

    def _hide_build(self, attached: Sequence[str]) -> None:
        """Forget the build: a file that stays attached cannot be written, moved or deleted by others."""
        for schema in (*BUILD_SCHEMAS, "previous", "attack"):
            self._examiner.run(f"drop schema if exists {schema} cascade")
        for name in attached:
            self._examiner.run(f"detach {quote_name(name)}")

    def _is_fed(self, instrument: str) -> bool:
        module = _find_module("marts", instrument)
        if module is None:
            return False
        existing = self._list_columns()
        views = [f"landing.{source}" for source in module.FED_BY]
        views += [f"{schema}.{mart}" for schema in ("marts", "previous") for mart in module.MARTS]
        return any(view in existing and self._examiner.run(f"select 1 from {view} limit 1") for view in views)

    def _list_columns(self) -> dict[str, dict[str, str]]:
        """`schema.table` -> column -> type, of what is shown to the checks."""
        columns: dict[str, dict[str, str]] = {}
        for schema, table, column, kind in self._examiner.run(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
            " where database_name = current_database() and not internal order by all"
        ):
            columns.setdefault(f"{schema}.{table}", {})[column] = kind
        return columns

    def _judge_instrument(self, instrument: str, has_previous: bool, left_out: Sequence[Failure]) -> GateResult:
        started = time.perf_counter()
        suite = f"marts.{instrument}"
        limits = _limits(suite)
        module = _find_module("marts", instrument)
        columns = self._list_columns()
        if module is not None and hasattr(module, "prepare"):
            module.prepare(self._examiner.run, columns)  # what no query can find out, laid down where the checks read it
        checks: list[Check] = list(module.list_checks(limits, columns)) if module is not None else []
        planned = set(limits.codes)
        extra = list(left_out)
        if not has_previous:
            planned -= limits.comparing()
            checks = [check for check in checks if check.code not in limits.comparing()]
            extra.append(_fail("first_release", instrument))
        for check in list(checks):
            lacking = [
                f"{view}.{column}" for view, needed in check.needs.items() for column in needed if column not in columns.get(view, {})
            ]
            if lacking:
                checks.remove(check)
                planned.discard(check.code)
                extra.append(_fail("not_comparable", f"{check.code}: {', '.join(lacking)}"))
        self._examiner.run(f"create or replace view marts.examined as {_count_rows(module.MARTS if module else (), columns)}")
        findings = self._examiner.examine(suite, "marts.examined", checks, limits) if checks else []
        rows = next((finding.examined or 0 for finding in findings if finding.code == "marts_filled"), 0)
        return _decide(limits, planned=planned, findings=findings, rows=rows, extra=extra, started=started)

    # --- Data Docs ----------------------------------------------------------------------------------------------------------------

    def build_docs(self) -> Path | None:
        """Render the kept results; takes about a second, so it is not part of judging."""
        return self._examiner.build_docs()


def _read_parquet(path: Path) -> str:
    return f"select * from read_parquet({quote_text(str(path))}, hive_partitioning = false)"


def _count_rows(marts: Sequence[str], columns: dict[str, dict[str, str]]) -> str:
    """A view with the rows of each mart; one that is missing counts as empty, which no gate passes."""
    counts = []
    for mart in marts:
        counted = f"count(*) as row_count from marts.{mart}" if f"marts.{mart}" in columns else "0 as row_count"
        counts.append(f"select {quote_text(mart)} as mart, {counted}")
    return " union all ".join(counts) or "select '' as mart, 0 as row_count where false"


def _note_nothing_compared(findings: Sequence[Finding], limits: Limits) -> list[Failure]:
    """One note when every comparison with the predecessor found nothing to compare."""
    compared = [finding for finding in findings if finding.code in limits.comparing()]
    if compared and all(finding.examined == 0 for finding in compared):
        return [_fail("nothing_compared", ", ".join(finding.code for finding in compared))]
    return []
