"""Monthly meter readings of a few synthetic enterprises, and trades of credits on the synthetic days of the credit market."""

import numpy as np
import pyarrow as pa

from warehouse.demonstration.country import Country

METERS = 24
MONTHS = np.arange(np.datetime64("2025-01"), np.datetime64("2026-09"))
LATER_MONTHS = 2
CREDIT_MARKET = "CCER"
# The restart day and its mean price are published, so is the mean of 2025; the days between are drawn.
FIRST_DAY, FIRST_PRICE, MEAN_PRICE_2025 = "2024-01-22", 63.51, 70.76
LAST_DAY, LATER_FROM = "2026-08-31", "2026-07-01"
TRADES_PER_DAY = 2


def make_readings(country: Country, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    owners = np.flatnonzero(country.provinces != "990000")[:METERS]
    month, meter = (grid.ravel() for grid in np.meshgrid(np.arange(len(MONTHS)), np.arange(len(owners)), indexing="ij"))
    level = rng.lognormal(12.0, 0.8, len(owners))
    quantity = np.round(level[meter] * rng.lognormal(0.0, 0.08, len(meter)), 1)
    ends = np.char.add(np.datetime_as_string(MONTHS.astype("datetime64[s]")), "+08:00")
    table = pa.table(
        {
            "meter_id": pa.array(np.char.add("DEMO-MTR-", np.char.zfill(meter.astype(str), 4))),
            "enterprise_id": country.enterprise_ids.take(pa.array(owners[meter])),
            "activity_code": pa.array(np.repeat("electricity_grid", len(meter))),
            "read_at": pa.array(ends[month]),
            "quantity": pa.array(quantity),
            "unit": pa.array(np.repeat("kWh", len(meter))),
        }
    )
    before = (len(MONTHS) - LATER_MONTHS) * len(owners)
    return table.slice(0, before), table.slice(before)


def make_credit_trades(country: Country, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    days = np.array([day for day in country.facts.trading_days if FIRST_DAY <= day <= LAST_DAY], "datetime64[D]")
    drift = np.cumsum(rng.normal(0.0, 0.012, len(days)))
    path = FIRST_PRICE * np.exp(drift - drift[0])
    in_2025 = days.astype("datetime64[Y]") == np.datetime64("2025")
    # Scaled towards the published mean of 2025, and left alone on the published first day.
    weight = np.clip(np.arange(len(days)) / max(1, int(np.argmax(in_2025))), 0, 1)
    path *= (MEAN_PRICE_2025 / path[in_2025].mean()) ** weight
    place = np.repeat(np.arange(len(days)), TRADES_PER_DAY)
    # Prices in fen and whole tonnes: the product is exact to the fen.
    fen = np.rint(path[place] * 100).astype(np.int64)
    volume = rng.integers(500, 20_000, len(place))
    seconds = np.tile(np.arange(TRADES_PER_DAY) * 1_800 + 36_000, len(days))
    instants = days[place].astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    account = rng.integers(0, 40, len(place))
    table = pa.table(
        {
            "market": pa.array(np.repeat(CREDIT_MARKET, len(place))),
            "trade_id": pa.array(np.char.add("DEMO-TRD-", np.char.zfill(np.arange(len(place)).astype(str), 7))),
            "instrument": pa.array(np.repeat("CCER", len(place))),
            "trade_method": pa.array(np.repeat("listed", len(place))),
            "traded_at": pa.array(np.char.add(np.datetime_as_string(instants), "+08:00")),
            "price_cny_per_t": pa.array(fen / 100),
            "volume_t": pa.array(volume),
            "turnover_cny": pa.array(fen * volume / 100),
            "buyer_account": pa.array(np.char.add("DEMO-A", account.astype(str))),
            "seller_account": pa.array(np.char.add("DEMO-B", ((account * 7 + 3) % 40).astype(str))),
        }
    )
    before = int((days < np.datetime64(LATER_FROM)).sum()) * TRADES_PER_DAY
    return table.slice(0, before), table.slice(before)
