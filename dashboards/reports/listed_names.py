"""Names of listed codes where a mart gives the code alone: from the reference lists, which are everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from dashboards.names import read_listed
from dashboards.reports.wording import Text

# Other codes have their words in the reports' own wording.
_COLUMNS = {"product_code", "province_code", "activity_code", "geography_code"}


@cache
def read_names(column: str) -> Mapping[str, Text]:
    """Code -> name in both languages, for a column of codes; empty for any other column."""
    return {code: Text(name["zh"], name["en"]) for code, name in read_listed(column).items()} if column in _COLUMNS else {}
