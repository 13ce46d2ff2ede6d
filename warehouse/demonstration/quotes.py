"""Daily CEA quotes made up between published monthly figures.

Published and kept: each month's volume of listed, block and auction deals (exactly), its high, low and close where the bulletin
gives them. Made up: how the days share the volume and where inside the month's range each day traded.
"""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.facts import Facts

FIRST_DAYS_CLOSE = 54.22  # close of 2021-12-31, SEEE annual overview 2021
LISTED_LIMIT = 0.095  # inside the exchange's ±10 % so that rounding to cents never crosses it
BLOCK_LIMIT = 0.28  # inside ±30 %
BLOCK_TONNES_PER_DEAL = 400_000


def share_volume(volume: int, days: int, traded: int, rng: np.random.Generator) -> np.ndarray:
    """Whole tonnes on `traded` of `days` days, at least 1 t each, adding up to the volume exactly."""
    shares = np.zeros(days, dtype=np.int64)
    if volume:
        chosen = np.sort(rng.choice(days, size=traded, replace=False))
        weights = rng.lognormal(0.0, 0.8, traded)
        exact = (volume - traded) * weights / weights.sum()
        whole = np.floor(exact).astype(np.int64)
        short = volume - traded - int(whole.sum())
        whole[np.argsort(exact - whole)[::-1][:short]] += 1
        shares[chosen] = whole + 1
    return shares


def anchor_path(facts: Facts, months: list[dict[str, str]], sessions: list[list[str]]) -> np.ndarray:
    """A smooth price through the published figures: mid-month at the month's listed average, month end at its close."""
    points, values = [0.0], [FIRST_DAYS_CLOSE]
    start = 0
    for month, days in zip(months, sessions, strict=True):
        points.append(start + len(days) / 2)
        values.append(float(month["listed_turnover_cny"]) / float(month["listed_volume_t"]))
        start += len(days)
        if month["close_cny_per_t"]:
            points.append(float(start))
            values.append(float(month["close_cny_per_t"]))
    return np.exp(np.interp(np.arange(1, start + 1), points, np.log(values)))


def walk_closes(
    path: np.ndarray, *, lows: np.ndarray, highs: np.ndarray, traded: np.ndarray, fixed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Closes in cents' precision: near the path, inside the month's range, within the daily limit; carried on days without trade.

    `fixed` holds the published month-end closes (NaN elsewhere). A few thousand days whatever the size of the world.
    """
    noise = np.zeros(len(path))
    for day in range(1, len(path)):
        noise[day] = 0.8 * noise[day - 1] + rng.normal(0.0, 0.006)
    closes = np.empty(len(path))
    previous = FIRST_DAYS_CLOSE
    for day, target in enumerate(path * np.exp(noise)):
        if traded[day]:
            wanted = fixed[day] if not np.isnan(fixed[day]) else np.clip(target, lows[day], highs[day])
            previous = round(float(np.clip(wanted, previous * (1 - LISTED_LIMIT), previous * (1 + LISTED_LIMIT))), 2)
        closes[day] = previous
    return closes


def make_quotes(facts: Facts, first_month: str, last_month: str, rng: np.random.Generator) -> pa.Table:
    """`market_quote` rows of CN-ETS CEA from one month to another, both included, by day and method.

    All months are drawn whatever is asked for, so that parts made with the same generator state fit together.
    """
    months = facts.cea_months
    sessions = [[day for day in facts.trading_days if day.startswith(month["month"])] for month in months]
    lengths = [len(days) for days in sessions]
    days = np.array([day for group in sessions for day in group])
    volumes, blocks, auctions = [], [], []
    for month, length in zip(months, lengths, strict=True):
        listed = int(float(month["listed_volume_t"]))
        volumes.append(share_volume(listed, length, min(length, max(1, listed // 500)), rng))
        block = int(float(month["block_volume_t"]))
        blocks.append(share_volume(block, length, min(length, max(1, block // BLOCK_TONNES_PER_DEAL)), rng))
        auctions.append(share_volume(int(float(month["auction_volume_t"])), length, 1, rng))
    volume = np.concatenate(volumes)
    lows, highs = (np.repeat([float(month[name] or np.nan) for month in months], lengths) for name in ("low_cny_per_t", "high_cny_per_t"))
    lows, highs = np.nan_to_num(lows, nan=0.0), np.nan_to_num(highs, nan=np.inf)
    fixed = np.full(len(days), np.nan)
    last_trades = np.array([np.flatnonzero(group)[-1] for group in volumes]) + np.cumsum([0, *lengths[:-1]])
    fixed[last_trades] = [float(month["close_cny_per_t"] or np.nan) for month in months]
    closes = walk_closes(anchor_path(facts, months, sessions), lows=lows, highs=highs, traded=volume > 0, fixed=fixed, rng=rng)
    previous = np.concatenate([[FIRST_DAYS_CLOSE], closes[:-1]])
    tables = [list_listed(days, volume, closes=closes, previous=previous, lows=lows, highs=highs, rng=rng)]
    for method, shares, price in (("block", blocks, "block"), ("auction", auctions, "auction")):
        average = np.repeat(
            [float(month[f"{price}_turnover_cny"]) / max(float(month[f"{price}_volume_t"]), 1.0) for month in months], lengths
        )
        tables.append(list_deals(method, days, np.concatenate(shares), average=average, previous=previous, rng=rng))
    table = pa.concat_tables(tables).sort_by([("trade_date", "ascending"), ("trade_method", "descending")])
    months_of_rows = np.array([day[:7] for day in table["trade_date"].to_pylist()])
    return table.filter(pa.array((months_of_rows >= first_month) & (months_of_rows <= last_month)))


def assemble(method: str, days: np.ndarray, prices: dict[str, np.ndarray], volume: np.ndarray) -> pa.Table:
    """Turnover is close times volume to the cent, so every relation of the contract holds exactly."""
    turnover = np.round(np.rint(prices["close"] * 100) * volume / 100, 2)
    columns = {"market": pa.array(["CN-ETS"] * len(days)), "instrument": pa.array(["CEA"] * len(days))}
    columns |= {"trade_method": pa.array([method] * len(days)), "trade_date": pa.array(days)}
    for name in ("open", "high", "low", "close", "previous_close"):
        columns[f"{name}_cny_per_t"] = pa.array(prices[name], mask=np.isnan(prices[name]))
    return pa.table(columns | {"volume_t": pa.array(volume), "turnover_cny": pa.array(turnover)})


def list_listed(
    days: np.ndarray,
    volume: np.ndarray,
    *,
    closes: np.ndarray,
    previous: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
    rng: np.random.Generator,
) -> pa.Table:
    """One row per session; a session without trade has the carried close and neither open, high nor low."""
    count = len(days)
    low = np.minimum(closes, np.maximum(np.round(closes * (1 - rng.uniform(0, 0.012, count)), 2), np.maximum(lows, 0)))
    high = np.maximum(closes, np.minimum(np.round(closes * (1 + rng.uniform(0, 0.012, count)), 2), highs))
    opened = np.round(low + (high - low) * rng.random(count), 2)
    traded = volume > 0
    prices = {"open": opened, "high": high, "low": low}
    shown = {name: np.where(traded, values, np.nan) for name, values in prices.items()}
    return assemble("listed", days, shown | {"close": closes, "previous_close": previous}, volume)


def list_deals(
    method: str, days: np.ndarray, volume: np.ndarray, *, average: np.ndarray, previous: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Rows of the days with deals only, priced around the month's published average."""
    price = average * np.exp(rng.normal(0.0, 0.01, len(days)))
    price = np.round(np.clip(price, previous * (1 - BLOCK_LIMIT), previous * (1 + BLOCK_LIMIT)), 2)
    dealt = volume > 0
    unknown = np.full(dealt.sum(), np.nan)
    prices = {"open": unknown, "high": unknown, "low": unknown, "close": price[dealt], "previous_close": previous[dealt]}
    return assemble(method, days[dealt], prices, volume[dealt])
