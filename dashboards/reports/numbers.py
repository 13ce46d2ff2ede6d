"""Numbers as a reader sees them. Digits are the same in both languages (no 万 or 亿), so the two can be compared at a glance."""

from __future__ import annotations

import math
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dashboards.reports.wording import Text, say

ABSENT = "—"
MINUS = "\N{MINUS SIGN}"
CHINA = ZoneInfo("Asia/Shanghai")


def write_number(value: float | int | None, *, signed: bool = False) -> str:
    """Four significant digits for measured figures, all digits for whole ones and for what is above 1,000; powers of ten only below a millionth."""
    if value is None:
        return ABSENT
    if isinstance(value, int) or float(value).is_integer():
        text = f"{abs(int(value)):,}"
    else:
        size = abs(value)
        decimals = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4
        text = f"{size:,.{decimals}f}" if size >= 0.001 else _write_small(size)
    return put_sign(text, value, signed)


def _write_small(size: float) -> str:
    """Three significant digits of what is far below one, in plain decimals as long as they can be read."""
    return f"{size:.{2 - math.floor(math.log10(size))}f}" if size >= 1e-6 else f"{size:.2e}"


def write_fixed(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A fixed number of decimals, as prices are quoted."""
    return ABSENT if value is None else put_sign(f"{abs(value):,.{decimals}f}", value, signed)


def write_share(value: float | None, *, signed: bool = False) -> str:
    """A share of 0 to 1 as a percentage with one decimal; two where the first would read as nothing."""
    if value is None:
        return ABSENT
    decimals = 2 if 0 < abs(value) < 0.001 else 1
    return put_sign(f"{abs(value) * 100:,.{decimals}f}%", value, signed)


def write_points(value: float | None) -> Text:
    """A difference of two shares in percentage points."""
    if value is None:
        return Text(ABSENT, ABSENT)
    return say("percentage_points", value=put_sign(f"{abs(value) * 100:.1f}", value, True))


def put_sign(digits: str, value: float | int, signed: bool) -> str:
    """A true minus sign, and no sign on what rounds to nothing."""
    if not any(c in "123456789" for c in digits):
        return digits
    if value < 0:
        return MINUS + digits
    return f"+{digits}" if signed else digits


def write_day(value: date | None) -> str:
    return ABSENT if value is None else value.isoformat()[:10]


def write_instant(value: datetime | None) -> str:
    """A stored UTC instant in China's time, to the minute."""
    if value is None:
        return ABSENT
    return value.replace(tzinfo=ZoneInfo("UTC")).astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
