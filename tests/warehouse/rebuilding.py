"""Builds the marts of a data directory as this process finds the machine: its time zone, its locale, its encoding, its number of threads.

    python rebuilding.py DATA AS_OF THREADS SEED

The landing files are read in an order of their own, drawn from the seed. The answer is a line: the marts' hashes, and what was in force.
"""

from __future__ import annotations

import json
import locale
import random
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from warehouse.build import build
from warehouse.content import mart_hashes
from warehouse.ledger import Ledger
from warehouse.settings import Settings, parse_instant


class Shuffled(Ledger):
    """A ledger that lists files in any order."""

    draw = random.Random()

    def landing_files(self, source: str, as_of: datetime | None = None) -> list[dict[str, Any]]:
        listed = super().landing_files(source, as_of)
        self.draw.shuffle(listed)
        return listed


def main() -> None:
    data, as_of, threads, seed = sys.argv[1:]
    locale.setlocale(locale.LC_ALL, "")
    settings = Settings(data=Path(data), threads=int(threads))
    ledger = Shuffled(settings.ledger)
    ledger.draw.seed(int(seed))
    made = build(settings, ledger, parse_instant(as_of))
    ledger.close()
    told = {"build": made.build_id, "marts": mart_hashes(made.warehouse)}
    told["machine"] = {"zone": time.tzname, "locale": locale.setlocale(locale.LC_ALL), "encoding": locale.getpreferredencoding(False)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
