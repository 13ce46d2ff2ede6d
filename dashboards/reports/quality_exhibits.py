"""Where the release's rows came from, what was refused, and which gates let it through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.names import read_names
from dashboards.reports import charts
from dashboards.reports.exhibit import Cell, Exhibit, make_exhibit, make_table, put_number, put_text
from dashboards.reports.numbers import ABSENT, write_day, write_instant, write_number, write_share
from dashboards.reports.release_file import Releases, Row
from dashboards.reports.wording import Text, same, say
from expectations.observed import speak_observed

SOURCES = "release__sources"
Gates = Sequence[Mapping[str, Any]]


def read_sources(releases: Releases) -> list[Row]:
    return releases.read(f"select * from now.{SOURCES} order by received_count desc nulls last, source")


def name_source(row: Row) -> Text:
    return Text(row["title_zh"] or row["source"], row["title_en"] or row["source"])


def build_verdicts(releases: Releases) -> Exhibit:
    rows = [row for row in read_sources(releases) if row["received_count"]]
    if not rows:
        return make_exhibit("verdicts", say("verdicts_none"), say("nothing_to_draw"), SOURCES)
    totals = {kind: sum(row[f"{kind}_count"] or 0 for row in rows) for kind in ("received", "accepted", "duplicate", "quarantined")}
    is_balanced = totals["received"] == totals["accepted"] + totals["duplicate"] + totals["quarantined"]
    title = say(
        "verdicts_finding",
        received=write_number(totals["received"]),
        accepted=write_share(totals["accepted"] / totals["received"]),
        quarantined=write_number(totals["quarantined"]),
        duplicate=write_number(totals["duplicate"]),
    )
    note = say("verdicts_note") if is_balanced else say("verdicts_unbalanced")
    shown = [row for row in rows if row["duplicate_count"] or row["quarantined_count"]]
    kinds = ("received", "accepted", "duplicate", "quarantined")
    drawn = make_table(
        [say(f"column_{c}") for c in ("source", *kinds)],
        [[put_text(name_source(row)), *(put_number(row[f"{kind}_count"]) for kind in kinds)] for row in shown],
    )
    draw = (lambda language: charts.draw_verdicts(shown, language)) if shown else None
    return make_exhibit("verdicts", title, note, SOURCES, draw, drawn=drawn if shown else None)


def build_sources(releases: Releases) -> Exhibit:
    """Every contract, also those nobody has delivered yet."""
    rows = read_sources(releases)
    if not rows:
        return make_exhibit("sources", say("sources_none"), say("nothing_to_draw"), SOURCES)
    stale = [row for row in rows if row["is_stale"]]
    absent = [row for row in rows if row["last_received_at"] is None]
    title = say("sources_finding", total=len(rows), delivered=len(rows) - len(absent), stale=len(stale))
    columns = (
        "source",
        "deliveries",
        "rejected",
        "received",
        "accepted",
        "duplicate",
        "quarantined",
        "last_received",
        "newest_content",
        "days",
        "cadence",
        "state",
    )
    table = make_table(
        [say(f"column_{c}") for c in columns],
        [
            [
                put_text(name_source(row)),
                put_number(row["delivery_count"]),
                put_number(row["rejected_file_count"]),
                *(put_number(row[f"{kind}_count"]) for kind in ("received", "accepted", "duplicate", "quarantined")),
                put_text(write_instant(row["last_received_at"])[:10]),
                put_text(write_day(row.get("newest_content_on"))),  # a release of older code does not say
                put_days(row["days_since_received"]),
                put_days(row["cadence_days"]),
                put_text(name_state(row)),
            ]
            for row in rows
        ],
    )
    return make_exhibit("sources", title, say("sources_note"), SOURCES, table=table, is_table_open=True)


def put_days(value: float | None) -> Cell:
    return Cell(same(write_number(None if value is None else round(value))), value, True)


def name_state(row: Row) -> Text:
    if row["last_received_at"] is None:
        return say("state_absent")
    return say("state_stale") if row["is_stale"] else say("state_fresh")


def build_gates(gates: Gates) -> Exhibit:
    """Gates as the manifest lists them: a gate that examined nothing is shown as failed whatever it says of itself."""
    if not gates:
        return make_exhibit("gates", say("gates_none"), say("gates_none_note"), "manifest.json")
    failed = [gate for gate in gates if not is_passed(gate)]
    warnings = sum(len(gate.get("failures") or []) for gate in gates)
    title = say(
        "gates_finding_failed" if failed else "gates_finding_warned" if warnings else "gates_finding",
        gates=len(gates),
        warnings=warnings,
        checks=write_number(sum(int(gate.get("checks_run") or 0) for gate in gates)),
        rows=write_number(sum(int(gate.get("rows_examined") or 0) for gate in gates)),
        failed=len(failed),
    )
    table = make_table(
        [say(f"column_{c}") for c in ("suite", "severity", "checks", "rows", "result")],
        [
            [
                put_text(name_suite(str(gate["suite"]))),
                put_text(name_severity(gate.get("severity"))),
                put_number(gate.get("checks_run")),
                put_number(gate.get("rows_examined")),
                put_text(name_result(gate)),
            ]
            for gate in sorted(gates, key=lambda gate: (is_passed(gate), str(gate["suite"])))
        ],
    )
    return make_exhibit("gates", title, say("gates_note"), "manifest.json", table=table, is_table_open=True)


def build_warnings(gates: Gates) -> Exhibit | None:
    """What gates found and let pass, each in its own words; nothing without gates, since nothing was then looked for."""
    if not gates:
        return None
    found = [(gate, failure) for gate in gates for failure in gate.get("failures") or []]
    if not found:
        return make_exhibit("warnings", say("warnings_none"), say("warnings_note"), "manifest.json")
    table = make_table(
        [say(f"column_{c}") for c in ("suite", "severity", "warning", "observed")],
        [
            [
                put_text(name_suite(str(gate["suite"]))),
                put_text(name_severity(failure.get("severity"))),
                put_text(tell_warning(failure)),
                put_text(tell_observed(failure.get("observed"))),
            ]
            for gate, failure in sorted(found, key=lambda pair: (str(pair[1].get("severity")), str(pair[0]["suite"])))
        ],
    )
    return make_exhibit(
        "warnings", say("warnings_finding", count=len(found)), say("warnings_note"), "manifest.json", table=table, is_table_open=True
    )


def tell_warning(failure: Mapping[str, Any]) -> Text:
    """The check's own sentence, with its code, by which its limits are found."""
    code, message = str(failure.get("check") or ABSENT), failure.get("message")
    if not isinstance(message, Mapping):
        return same(code)
    return say("warning_told", message=Text(str(message.get("zh") or code), str(message.get("en") or code)), check=code)


def tell_observed(observed: object) -> Text:
    """What the check saw, as the terminal says it."""
    text = str(observed or ABSENT)
    return Text(speak_observed(text, "zh"), speak_observed(text, "en"))


def is_passed(gate: Mapping[str, Any]) -> bool:
    return bool(gate.get("success")) and bool(gate.get("checks_run")) and bool(gate.get("rows_examined"))


def name_result(gate: Mapping[str, Any]) -> Text:
    if is_passed(gate):
        return say("gate_passed")
    return say("gate_empty") if gate.get("success") else say("gate_failed")


def name_suite(suite: str) -> Text:
    """A gate by what it examines; one of deliveries by its source, one without a name by its code."""
    names, source = read_names(), suite.removeprefix("landing.")
    name = names["suite"].get(suite) or (names["source"].get(source) if source != suite else None)
    return Text(name["zh"], name["en"]) if name else same(suite)


def name_severity(severity: str | None) -> Text:
    return say(f"severity_{severity}") if severity in ("critical", "warning", "info") else same(severity or ABSENT)
