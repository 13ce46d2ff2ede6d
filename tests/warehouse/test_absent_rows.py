"""Rows that a release does not hold: what `explain --reverse` says of one is why it is not there, as the ledger knows it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from warehouse.ledger import Ledger
from warehouse.lineage.moved import tell_absence
from warehouse.settings import Settings
from warehouse.texts import say

pytestmark = pytest.mark.xdist_group("cli")
Run = Callable[..., subprocess.CompletedProcess[str]]
QUOTES = """市场,交易品种,交易方式,交易日期,前收盘价,最低价,最高价,收盘价,成交量,成交额
CN-ETS,CEA,listed,2026-10-12,62.10,61.50,62.80,62.30,120000,7470000
CN-ETS,CEA,listed,2026-10-13,62.30,62.00,63.20,62.90,50000,3130000
CN-ETS,CEA,listed,2026-10-14,62.90,62.50,63.40,63.00,90000,5661000
CN-ETS,CEA,listed,2026-10-15,63.00,62.60,63.50,63.10,-80000,5048000
CN-ETS,CEA,listed,2026-10-16,63.10,62.60,63.60,63.20,70000,4424000
"""


@pytest.fixture(scope="module")
def ledger(tanlian: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    room = tmp_path_factory.mktemp("absent")
    (room / "quotes.csv").write_text(QUOTES, encoding="utf-8")
    sent = ("deliver", str(room / "quotes.csv"), "--source", "market_quote", "--received-at", "2026-10-20")
    assert tanlian(room / "data", *sent).returncode == 0
    ledger = Ledger(Settings(data=room / "data").ledger)
    yield ledger
    ledger.close()


@pytest.mark.parametrize(
    ("file", "row", "as_of", "key", "told"),
    [
        ("quote.csv", 1, "2026-10-31", "reverse.no_file", "names like it: quotes.csv"),
        ("#7", 1, "2026-10-31", "reverse.no_file", "no file #7 was ever received"),
        ("quotes.csv", 99999, "2026-10-31", "reverse.past_end", "has no row 99999: its rows are 1 to 5"),
        ("#1", 0, "2026-10-31", "reverse.past_end", "has no row 0: its rows are 1 to 5"),
        (
            "quotes.csv",
            1,
            "2026-10-01",
            "reverse.later",
            "received at 2026-10-20 15:59:59 (UTC); this release knows what was received until 2026-10-01",
        ),
        ("quotes.csv", 4, "2026-10-31", "reverse.no_row", "it was refused, waits, or repeats a row"),
    ],
)
def test_absent_row_is_told_by_its_cause(ledger: Ledger, file: str, row: int, as_of: str, key: str, told: str) -> None:
    unclear = tell_absence(ledger, as_of, file, row)
    assert unclear.key == key
    assert told in say(key, "en", **unclear.values)
    assert say(key, "zh", **unclear.values)
