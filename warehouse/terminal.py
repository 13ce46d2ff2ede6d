"""What a person sees on the terminal: receipts, tables and progress. Text from files is shown as text, never as markup."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from expectations.observed import speak_observed
from ingest.inert import visible
from ingest.messages import NORMALISED
from warehouse.repair.slips import declared
from warehouse.texts import say

SHOWN_FAULTS = 12
_WITHOUT_HEADER = (".json", ".jsonl", ".ndjson", ".parquet")
# Columns that may wrap, and how narrow they may become; all others are as wide as what stands in them.
_WRAPPED = {
    "table.source": 22,
    "table.figure": 24,
    "table.change": 24,
    "table.found": 24,
    "table.file": 24,
    "table.key": 28,
    "diff.columns": 34,
}
SHOWN_CHARACTERS = 160
_SEAM = 2
_COLOURS = {"accepted": "green", "partly_quarantined": "yellow", "waiting": "yellow", "duplicate": "cyan", "rejected": "red"}


def _inert(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


@dataclass
class Terminal:
    """Where and how to speak: results go to stdout, progress and remarks to stderr."""

    lang: str
    quiet: bool = False

    def __post_init__(self) -> None:
        self.out = Console(file=sys.stdout, highlight=False)
        self.err = Console(file=sys.stderr, highlight=False, quiet=self.quiet)

    def text(self, key: str, **values: object) -> str:
        return say(key, self.lang, **values)

    def tell(self, key: str, style: str = "", **values: object) -> None:
        self.out.print(_inert(self.text(key, **values), style=style), soft_wrap=True)

    def remark(self, text: str) -> None:
        self.err.print(_inert(text, style="dim"), soft_wrap=True)

    @contextmanager
    def working(self, title: str) -> Iterator[Any]:
        """A spinner that tells what is being done; `update` changes the words. Plain lines where nobody watches."""
        if self.quiet or not self.err.is_terminal:
            self.remark(title)
            yield lambda words: None
            return
        with self.err.status(escape(visible(title))) as status:
            yield lambda words: status.update(escape(visible(f"{title}  {words}")))

    def table(self, title: str, columns: list[tuple[str, str]], rows: list[list[Any]]) -> None:
        """A table; columns are (text key, `left` or `right`). One that is wider than the terminal runs over its edge: no figure is cut."""
        shown = Table(
            title=title, title_justify="left", title_style="bold", header_style="dim", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
        )
        cells = [
            [cell if isinstance(cell, Text) else _inert(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row]
            for row in rows
        ]
        needed = _SEAM  # before the first column, after each
        for place, (key, justify) in enumerate(columns):
            whole = max(Text(self.text(key)).cell_len, *(row[place].cell_len for row in cells), 0)
            shown.add_column(
                self.text(key),
                justify="right" if justify == "right" else "left",
                overflow="fold",
                no_wrap=key not in _WRAPPED,
                min_width=(least := min(whole, _WRAPPED.get(key, whole))),
            )
            needed += least + _SEAM
        for row in cells:
            shown.add_row(*row)
        if needed > self.out.width:
            shown.width = needed
        self.out.print(shown, crop=False)

    # Receipts

    def receipt(self, receipt: dict[str, Any]) -> None:
        """A receipt that a person understands: what was taken, folded and refused, why, where it is kept, and what to do."""
        verdict = receipt["verdict"]
        line = self.text("receipt.line", source=receipt["source"], file=receipt["file"], verdict=self.text(f"verdict.{verdict}"))
        self.out.print(_inert(line, style=f"bold {_COLOURS[verdict]}"), soft_wrap=True)
        if verdict != "rejected":
            self._indented("receipt.counts", **receipt["counts"])
        for reason in receipt["reasons"]:
            self.out.print(_inert(f"  {reason['code']}: {reason[f'message_{self.lang}']}"), soft_wrap=True)
        if receipt.get("same_bytes_as"):
            self._indented("receipt.same_bytes", file=receipt["same_bytes_as"])
        if receipt.get("fetched_from"):
            self._indented("receipt.fetched", **receipt["fetched_from"])
        if receipt["layout"]:
            self._indented("receipt.layout", layout=receipt["layout"])
        for kind in receipt.get("not_data", []):
            self._indented("receipt.not_data", count=kind["count"], reason=kind[self.lang])
        folded = {kind: count for kind, count in receipt["normalised"].items() if kind != "layout"}
        if folded:
            kinds = ", ".join(f"{NORMALISED[kind].in_language(self.lang)} {count}" for kind, count in folded.items())
            self._indented("receipt.normalised", kinds=kinds)
        if receipt["unknown_columns"] and not receipt["layout"]:
            self._indented("receipt.unknown", columns=", ".join(receipt["unknown_columns"]))
        self._faults(receipt)
        for warning in receipt.get("warnings", []):
            observed = speak_observed(warning["observed"], self.lang)
            key = "receipt.note" if warning.get("severity") == "info" else "receipt.warning"  # receipts of older code say no severity
            self._indented(key, check=warning["check"], message=warning[self.lang], observed=observed)
        waiting = receipt["counts"].get("waiting", 0)
        if waiting > len({entry["row_number"] for entry in receipt.get("waived", [])}):
            self._indented("receipt.waits", count=waiting)
        self._returned(receipt, waiting)

    def _returned(self, receipt: dict[str, Any], waiting: int) -> None:
        """What the sender gets back, and what of earlier deliveries this one settles."""
        for proposal in receipt.get("proposals", [])[:SHOWN_FAULTS]:
            values = ", ".join(f"{name} = {value}" for name, value in proposal["values"].items())
            kind = declared()["kinds"][proposal["kind"]][self.lang]
            self._indented("receipt.proposed", row=proposal["row_number"], code=proposal["code"], values=values, kind=kind)
        if receipt.get("waived"):
            self._indented("receipt.waived", count=len({entry["row_number"] for entry in receipt["waived"]}))
        settled = sum(receipt.get("settles", {}).values())
        if settled:
            self._indented("receipt.settles", count=settled)
        foreseen = sum(receipt.get("would_settle", {}).values())
        if foreseen:
            self._indented("receipt.would_settle", count=foreseen)
        if receipt.get("kept_in") and receipt["counts"].get("quarantined", 0) > waiting:
            self._indented("receipt.kept", place=receipt["kept_in"])
        if receipt.get("workbook"):
            self._indented("receipt.workbook", place=receipt["workbook"])

    def _indented(self, key: str, **values: object) -> None:
        self.out.print(_inert("  " + self.text(key, **values)), soft_wrap=True)

    def _faults(self, receipt: dict[str, Any]) -> None:
        faults = receipt["faults"]
        if not faults:
            return
        table = Table(box=None, padding=(0, 1), header_style="dim", show_edge=False)
        for key in ("receipt.row", "receipt.rule", "receipt.found", "receipt.expected", "receipt.why"):
            table.add_column(self.text(key), justify="right" if key == "receipt.row" else "left", overflow="fold")
        for fault in faults[:SHOWN_FAULTS]:
            value = (fault["value"] or "")[:SHOWN_CHARACTERS]
            found = value if ", " in fault["column_name"] else f"{fault['column_name']} = {value}"
            cells = (str(fault["row_number"]), fault["code"], found, fault[f"message_{self.lang}"], fault[f"reason_{self.lang}"])
            table.add_row(*(_inert(cell.replace("\n", "\\u000a")) for cell in cells))
        self.out.print(table)
        if not receipt["layout"] and not receipt["file"].lower().removesuffix(".gz").endswith(_WITHOUT_HEADER):
            self._indented("receipt.lines")
        more = sum(receipt["fault_counts"].values()) - min(len(faults), SHOWN_FAULTS)
        if more > 0:
            self._indented("receipt.more" if receipt.get("kept_in") else "receipt.more_alone", count=more)

    def gates(self, gates: list[dict[str, Any]]) -> None:
        """The gates with what they examined, and each failure below."""
        rows = []
        for gate in gates:
            critical = [failure for failure in gate["failures"] if failure["severity"] == "critical"]
            result = (
                Text(self.text("table.passed"), style="green") if gate["success"] else Text(self.text("table.failed"), style="bold red")
            )
            rows.append([gate["suite"], gate["checks_run"], gate["rows_examined"], result, len(gate["failures"]) - len(critical)])
        columns = [
            ("table.suite", "left"),
            ("table.checks", "right"),
            ("table.rows", "right"),
            ("table.result", "left"),
            ("table.warnings", "right"),
        ]
        self.table(self.text("table.gates"), columns, rows)
        for gate in gates:
            for failure in gate["failures"]:
                message = failure.get("message")
                words = (message.in_language(self.lang) if hasattr(message, "in_language") else (message or {}).get(self.lang)) or ""
                style = "red" if failure["severity"] == "critical" else "yellow"
                observed = speak_observed(failure.get("observed") or "", self.lang)
                self.out.print(_inert(f"  {gate['suite']} · {failure['check']}: {words} {observed}", style=style), soft_wrap=True)
