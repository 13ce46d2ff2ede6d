"""Whom a report is for, and the file it may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.reports.cells import ABROAD
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.release_file import Releases, Row
from dashboards.reports.wording import Text, say

COUNTRY = "000000"
NATION = "CN"  # how policy targets name the country


@dataclass(frozen=True)
class Subject:
    """The reader's releases and who the reader is: a province code, a bank or an enterprise; null for the ministry."""

    releases: Releases
    member: str | None
    year: int | None
    gates: Sequence[Mapping[str, Any]] = ()  # as the release's manifest has them; what they found names rows of everybody

    def read(self, sql: str, *parameters: object) -> list[Row]:
        return self.releases.read(sql, *parameters)

    def holds(self, *marts: str) -> bool:
        return self.releases.holds(*marts)


def say_absent(code: str, source: str) -> Exhibit:
    """What a section says where the reader's file has no rows for it: never a zero, never silence."""
    return make_exhibit(code, say("section_absent", section=say(f"absent_{code}")), say("section_absent_note"), source)


def read_provinces(subject: Subject) -> dict[str, Text]:
    """Province names as the reader's own marts give them."""
    found: dict[str, Text] = {COUNTRY: say("the_country"), ABROAD: say("abroad")}
    for mart in ("footprint__sectors_by_year", "footprint__sectors_by_year_public"):
        if subject.holds(mart):
            for row in subject.read(f"select distinct province_code, province_name_zh, province_name_en from now.{mart}"):
                if row["province_name_zh"]:
                    found[row["province_code"]] = Text(row["province_name_zh"], row["province_name_en"])
    return found
