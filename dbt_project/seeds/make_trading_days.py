"""Write the trading-day list from the published exchange calendar, or check that the committed list is still what it gives.

China's carbon exchanges trade on the days of the Shanghai stock exchange (SEEE notices of closure follow the State Council's
holiday arrangement, as the stock exchanges do), so the list is derived instead of typed; the yearly holiday notice reaches us
with a new version of exchange-calendars.
"""

import argparse
import csv
import io
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import exchange_calendars

FIRST_DAY = "2011-01-01"
LAST_DAY = "2026-12-31"
TARGET = Path(__file__).parent / "reference" / "trading_day.csv"


def render_trading_days() -> str:
    """The whole CSV text: one row per session of XSHG from FIRST_DAY to LAST_DAY."""
    calendar = exchange_calendars.get_calendar("XSHG", start=FIRST_DAY, end=LAST_DAY)
    citation = f"exchange-calendars {version('exchange-calendars')}, calendar XSHG (Shanghai Stock Exchange)"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trade_date", "citation", "confidence"])
    writer.writerows([session.date().isoformat(), citation, "derived"] for session in calendar.sessions)
    return text.getvalue()


def find_differences(committed: str, rendered: str) -> list[str]:
    """Days that stand in one text only; the citation is left out, so a new library version with the same days is no difference."""
    sides = [{row["trade_date"] for row in csv.DictReader(io.StringIO(text))} for text in (committed, rendered)]
    return sorted(sides[0] ^ sides[1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed list, write nothing; exit code 1 if it differs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rendered = render_trading_days()
    if not options.check:
        TARGET.write_text(rendered, encoding="utf-8")
        logging.info("%s: %d trading days", TARGET.name, rendered.count("\n") - 1)
        return 0
    differences = find_differences(TARGET.read_text(encoding="utf-8"), rendered)
    for day in differences:
        logging.error("%s: %s stands in only one of the committed list and the calendar", TARGET.name, day)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
