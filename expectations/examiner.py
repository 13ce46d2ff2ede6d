"""Great Expectations on DuckDB: evaluates checks in SQL and keeps what it found for Data Docs.

Importing this module takes seconds, so the gate does it when the first thing is to be judged.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import great_expectations as gx
from great_expectations.compatibility import pydantic
from great_expectations.core import ExpectationSuite, RunIdentifier
from great_expectations.data_context.types.base import DataContextConfig, ProgressBarsConfig
from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier, ValidationResultIdentifier
from great_expectations.expectations.core.expect_table_row_count_to_equal import ExpectTableRowCountToEqual
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

from expectations.check import Check, Limits
from expectations.pages import keep_local, write_index

_SINGLE_COLON = re.compile(r"(?<!:):(?=\w)")


class ExpectNothingBroken(UnexpectedRowsExpectation):
    """Holds when the check's one row says that something was examined and nothing of it is broken.

    The stock expectation passes when a query finds no row, so it also passes on no data, and it runs the query twice.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)
    may_be_empty: bool = False

    @pydantic.validator("unexpected_rows_query")
    def _validate_query(cls, query: str) -> str:  # the stock validator prints a warning for every query without {batch}
        return query

    def _validate(self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None) -> dict[str, Any]:
        rows = metrics["unexpected_rows_query.table"]
        if len(rows) != 1:
            return {"success": False, "result": {"observed_value": f"a check answers with one row, this one gave {len(rows)}"}}
        row = rows[0]
        examined, broken, evidence = row["examined"], row["broken"], row["evidence"]
        if examined is None or broken is None:
            return {"success": False, "result": {"observed_value": "unknown: the check compared with nothing", "element_count": 0}}
        examined, broken = int(examined), int(broken)
        return {
            "success": broken == 0 and (examined > 0 or self.may_be_empty),
            "result": {
                "observed_value": str(evidence or ""),
                "element_count": examined,
                "unexpected_count": broken,
                "unexpected_percent": 100 * broken / examined if examined else 0.0,
            },
        }


@dataclass(frozen=True)
class Finding:
    """What one evaluated check found. `examined` is None when it could not be completed; `error` then says why."""

    code: str
    success: bool
    examined: int | None
    evidence: str
    error: str | None = None


def _configure(docs: Path | None) -> DataContextConfig:
    """A context that reports nothing to anybody and writes below `docs` only (nowhere when there is none)."""

    def keep_in(folder: str) -> dict[str, Any]:
        if docs is None:
            return {"class_name": "InMemoryStoreBackend"}
        return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs / folder)}

    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": keep_in("site"),
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }
    return DataContextConfig(
        config_version=4.0,
        stores={
            "suites": {"class_name": "ExpectationsStore", "store_backend": keep_in("suites")},
            "results": {"class_name": "ValidationResultsStore", "store_backend": keep_in("results")},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore"},
            "checkpoints": {"class_name": "CheckpointStore"},
        },
        expectations_store_name="suites",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        data_docs_sites={} if docs is None else {"gates": site},
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )


def _as_text_clause(query: str) -> str:
    """The query as Great Expectations passes it on: it fills braces and SQLAlchemy fills `:names`, and a check has neither."""
    return _SINGLE_COLON.sub(r"\\:", query.replace("{", "{{").replace("}", "}}"))


class Examiner:
    """One Great Expectations context over one in-memory DuckDB, in which the gate prepares the views that checks read."""

    def __init__(self, docs: Path | None, keep: int) -> None:
        self._docs = docs
        self._keep = keep
        self._context = gx.get_context(project_config=_configure(docs), mode="ephemeral")
        options: dict[str, Any] = {
            # A name of its own: connections of one process share a named in-memory database.
            "connection_string": f"duckdb:///:memory:gate_{uuid.uuid4().hex}",
            "create_temp_table": False,
            # Great Expectations fetches after the connection went back to the pool, where a rollback would clear DuckDB's result.
            "kwargs": {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True},
        }
        self._source = self._context.data_sources.add_sql("duckdb", **options)
        # Held open for as long as the examiner lives: the in-memory database goes with its last connection.
        self._held = self._source.get_engine().raw_connection()
        self._batches: dict[str, Any] = {}
        self.run("set global temp_directory = ''")  # it would otherwise spill into the current directory

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Prepare something for the checks: attach a file, make a view, ask for columns."""
        rows: list[tuple[Any, ...]] = self._held.driver_connection.execute(statement).fetchall()
        return rows

    def _take_batch(self, view: str) -> Any:
        if view not in self._batches:
            asset = self._source.add_query_asset(view, query=f"select * from {view}")
            self._batches[view] = asset.add_batch_definition_whole_table("whole")
        return self._batches[view].get_batch()

    def _express(self, check: Check, limits: Limits) -> Any:
        threshold = limits.of(check.code)
        described: dict[str, Any] = {
            "severity": threshold.severity,
            "meta": {"check": check.code},
            "description": f"{check.code}: {threshold.message.en} / {threshold.message.zh} ({threshold.reason.en} / {threshold.reason.zh})",
        }
        if check.row_count is not None:
            return ExpectTableRowCountToEqual(value=check.row_count, **described)
        return ExpectNothingBroken(unexpected_rows_query=_as_text_clause(check.query), may_be_empty=check.may_be_empty, **described)

    def examine(self, suite: str, view: str, checks: Sequence[Check], limits: Limits) -> list[Finding]:
        """Evaluate `checks` over `view` and keep the result for Data Docs."""
        expectations = [self._express(check, limits) for check in checks]
        result = self._take_batch(view).validate(ExpectationSuite(name=suite, expectations=expectations), result_format="SUMMARY")
        self._record(suite, view, result)
        return [_read_finding(item) for item in result.results]

    def _record(self, suite: str, view: str, result: Any) -> None:
        if self._docs is None:
            return
        now = datetime.now(UTC)
        run = RunIdentifier(run_name=f"{now:%Y%m%dT%H%M%S%f}Z_{uuid.uuid4().hex[:6]}", run_time=now)
        result.meta["run_id"] = run
        result.meta["validation_time"] = now
        key = ValidationResultIdentifier(ExpectationSuiteIdentifier(suite), run, f"duckdb-{view}")
        self._context.validation_results_store.set(key, result)
        self._prune()

    def _prune(self) -> None:
        """Drop all but the newest results; run names begin with their instant, so their order is the order of time."""
        if self._docs is None:
            return
        runs = sorted((path for path in (self._docs / "results").glob("**/*Z_*") if path.is_dir()), key=lambda path: path.name)
        for path in runs[: -self._keep] if self._keep > 0 else runs:
            shutil.rmtree(path, ignore_errors=True)  # another process may be dropping the same one

    def build_docs(self) -> Path | None:
        """Render the kept results as pages; returns the index page."""
        if self._docs is None:
            return None
        shutil.rmtree(self._docs / "site", ignore_errors=True)
        self._context.build_data_docs()
        for page in (self._docs / "site").rglob("*.html"):
            page.write_text(keep_local(page.read_text(encoding="utf-8")), encoding="utf-8")
        return write_index(self._docs / "site", self._docs / "results")


def _read_error(info: Any) -> str | None:
    """The first line of what went wrong. Great Expectations nests it by metric when a metric raised."""
    if not info:
        return None
    if "raised_exception" in info:
        return str(info.get("exception_message") or "an exception without a message").splitlines()[0] if info["raised_exception"] else None
    return next((found for found in (_read_error(item) for item in info.values() if isinstance(item, dict)) if found), None)


def _read_finding(item: Any) -> Finding:
    code = str((item.expectation_config.meta or {}).get("check"))
    error = _read_error(item.exception_info)
    result = item.result or {}
    if error is not None:
        return Finding(code, False, None, "", error)
    if item.expectation_config.type == "expect_table_row_count_to_equal":
        found = result.get("observed_value")
        expected = item.expectation_config.kwargs.get("value")
        examined = found if isinstance(found, int) else None
        return Finding(code, bool(item.success), examined, f"expected {expected}, found {found}")
    examined = result.get("element_count")
    if not isinstance(examined, int):
        return Finding(code, False, None, "", str(result.get("observed_value") or "the check gave no result"))
    broken = result.get("unexpected_count", 0)
    evidence = result.get("observed_value") or ""
    counted = "nothing to examine" if examined == 0 else f"{broken} of {examined} broken"
    return Finding(code, bool(item.success), examined, f"{counted}: {evidence}" if evidence else counted)
