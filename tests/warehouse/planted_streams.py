"""Streams of random registry, market and allowance events with violations planted among them, and what they must come to, in Decimal.

Nothing here is computed as the warehouse computes it: the plan knows what it planted, and the sound rest is made to hold.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

YEAR = 2024
CATEGORY = "power_coal_gt_300mw_electricity"
OFFSET_SHARE, GAP_CAP_SHARE = Decimal("0.05"), Decimal("0.2")
EARLY, LATE = date(2016, 5, 1), date(2024, 6, 1)


@dataclass
class Streams:
    """Rows per source and file (1 is the sound past, 2 holds what is planted), and what must be found."""

    rows: dict[tuple[str, int], list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[tuple[str, int, int], str] = field(default_factory=dict)  # source, file, row number -> rule
    findings: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    events: dict[str, list[tuple[str, Decimal]]] = field(default_factory=lambda: defaultdict(list))  # issuance -> (event, change)
    positions: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    days: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)  # instrument, day -> volume, turnover

    def add(self, source: str, number: int, **row: object) -> None:
        self.rows[source, number].append(row)

    def plant(self, source: str, rule: str, **row: object) -> None:
        """A row of the second file that breaks one rule."""
        self.rows[source, 2].append(row)
        self.refused[source, 2, len(self.rows[source, 2])] = rule


def tonnes(rng: random.Random, least: int, most: int) -> Decimal:
    """A quantity with three decimals, exact."""
    return Decimal(rng.randint(least * 1000, most * 1000)) / 1000


class Registry:
    """Projects, issuances and cancellations; sound cancellations are given out of what is left, so that an expected ledger is known."""

    def __init__(self, streams: Streams, rng: random.Random) -> None:
        self.streams, self.rng = streams, rng
        self.left: dict[str, Decimal] = {}
        self.count = 0

    def open_project(
        self, number: int, registered: date = LATE, owner: str | None = None, method: str | None = None, facility: str = ""
    ) -> str:
        project = f"P{number:04d}"
        self.streams.add(
            "ccer_project", 1, project_id=project, project_name=f"项目{number}", owner_id=owner or f"lei:O{number:04d}",
            methodology_code=method or f"M-{number}", province_code="130000", registered_on=registered, crediting_start="2022-01-01",
            crediting_end="2031-12-31", estimated_annual_t_co2e=1000 + number, facility_id=facility,
        )  # fmt: skip
        return project

    def issue(self, project: str, year: int, quantity: Decimal) -> str:
        issuance = f"I-{project}-{year}"
        self.streams.add(
            "ccer_issuance", 1, issuance_id=issuance, project_id=project, monitoring_start=f"{year}-01-01", monitoring_end=f"{year}-12-31",
            quantity_t_co2e=quantity, issued_on=f"{year + 1}-02-01",
        )  # fmt: skip
        self.left[issuance] = quantity
        self.streams.events[issuance].append(("issued", quantity))
        return issuance

    def cancel(self, issuance: str, quantity: Decimal, day: date, beneficiary: str = "", number: int = 1) -> str:
        self.count += 1
        name = f"C{self.count:06d}"
        self.streams.add("ccer_cancellation", number, **self.cancellation(name, issuance, quantity, day, beneficiary))
        self.left[issuance] -= quantity
        assert self.left[issuance] >= 0
        self.streams.events[issuance].append((name, -quantity))
        return name

    @staticmethod
    def cancellation(name: str, issuance: str, quantity: Decimal, day: date, beneficiary: str = "") -> dict[str, object]:
        return {
            "cancellation_id": name, "issuance_id": issuance, "quantity_t_co2e": quantity, "cancelled_on": day,
            "purpose": "ets_offset" if beneficiary else "voluntary", "beneficiary_id": beneficiary, "compliance_year": YEAR if beneficiary else "",
        }  # fmt: skip


def plan_registry(streams: Streams, rng: random.Random, projects: int = 120) -> Registry:
    """Random issues and cancellations, day by day, over three years; then a second file of the same with refused rows among it."""
    registry = Registry(streams, rng)
    for number in range(projects):
        project = registry.open_project(number)
        for year in (2022, 2023, 2024):
            registry.issue(project, year, tonnes(rng, 500, 5000))
    issuances = list(registry.left)
    for number in (1, 2):
        for step in range(projects * 4):
            issuance = rng.choice(issuances)
            if registry.left[issuance] > 50:
                registry.cancel(issuance, tonnes(rng, 1, 40), date(2025, 3, 1) + timedelta(days=step % 60 + 60 * number), number=number)
    for issuance in rng.sample(issuances, 12):
        streams.plant(
            "ccer_cancellation", "over_cancelled", **registry.cancellation(f"X{issuance}", issuance, Decimal(6000), date(2025, 9, 1))
        )
    for issuance in rng.sample(issuances, 6):
        streams.plant(
            "ccer_cancellation", "quantity_positive", **registry.cancellation(f"Z{issuance}", issuance, Decimal(0), date(2025, 9, 1))
        )
    for row in rng.sample(streams.rows["ccer_cancellation", 1], 8):  # the same cancellation once more, for another amount
        streams.plant("ccer_cancellation", "key_conflict", **(row | {"quantity_t_co2e": Decimal("0.001")}))
    for number in range(projects):
        project = f"P{number:04d}"
        if number % 12 == 0:
            bad: dict[str, object] = {"monitoring_start": "2024-06-01", "monitoring_end": "2024-12-31"}
            streams.plant(
                "ccer_issuance", "overlap", issuance_id=f"D{number}", project_id=project, quantity_t_co2e=9, issued_on="2025-06-01", **bad
            )
        elif number % 12 == 1:
            bad = {"monitoring_start": "2021-01-01", "monitoring_end": "2021-12-31"}
            streams.plant(
                "ccer_issuance",
                "outside_crediting",
                issuance_id=f"D{number}",
                project_id=project,
                quantity_t_co2e=9,
                issued_on="2025-06-01",
                **bad,
            )
        else:
            streams.add(
                "ccer_issuance", 2, issuance_id=f"I-{project}-2025", project_id=project, monitoring_start="2025-01-01",
                monitoring_end="2025-06-30", quantity_t_co2e=7, issued_on="2025-08-01",
            )  # fmt: skip
            streams.events[f"I-{project}-2025"].append(("issued", Decimal(7)))
    return registry


def _hold_account(streams: Streams, name: str, verified: Decimal, allocated: Decimal, given: Decimal, offset: Decimal) -> None:
    streams.add(
        "ets_facility_year", 1, market="CN-ETS", enterprise_id=name, facility_id=f"F-{name[4:]}", compliance_year=YEAR, sector="power",
        benchmark_category=CATEGORY, output_quantity=1000, output_unit="MWh", verified_t_co2e=verified, allocated_t_co2e=allocated,
    )  # fmt: skip
    for kind, quantity in (("allowance", given), ("offset", offset)):
        if quantity:
            streams.add(
                "ets_surrender", 1, surrender_id=f"S-{name}-{kind}", market="CN-ETS", enterprise_id=name, compliance_year=YEAR,
                instrument_kind=kind, quantity_t_co2e=quantity, surrendered_on="2025-12-01",
            )  # fmt: skip
    obligation = min(verified, allocated + GAP_CAP_SHARE * verified)
    cap = OFFSET_SHARE * obligation
    counted = min(offset, cap)
    streams.positions[name] = {
        "verified_t_co2e": verified, "allocated_t_co2e": allocated, "obligation_t_co2e": obligation, "offset_cap_t_co2e": cap,
        "surrendered_allowance_t_co2e": given, "surrendered_offset_t_co2e": offset, "offset_counted_t_co2e": counted,
        "offset_excess_t_co2e": offset - counted, "outstanding_t_co2e": max(obligation - given - counted, Decimal(0)),
    }  # fmt: skip


def plan_accounts(streams: Streams, rng: random.Random, registry: Registry, enterprises: int = 150) -> None:
    """Accounts of allowances and the offsets behind them; a tenth each cancels more, surrenders more, or goes above its cap."""
    sources = [registry.issue(registry.open_project(1000 + number), 2023, Decimal(90000)) for number in range(3)]
    for number in range(enterprises):
        name = f"lei:E{number:04d}"
        verified = tonnes(rng, 20_000, 900_000)
        allocated = verified * Decimal(rng.choice(("0.7", "0.9", "1.1")))
        offset = tonnes(rng, 10, 500) if number % 3 else Decimal(0)
        if number % 10 == 5:  # above its cap: what it owes is small
            verified = allocated = Decimal(1000)
            offset = Decimal(50) + tonnes(rng, 1, 20)
            streams.findings["offset_above_cap", f"{name}|{YEAR}"] = offset - 50
        given = tonnes(rng, 1000, 900_000) if number % 7 == 0 else verified
        _hold_account(streams, name, verified, allocated, given, offset)
        cancelled = offset
        if number % 10 == 1:
            extra = tonnes(rng, 1, 9)
            cancelled = offset + extra
            streams.findings["cancelled_without_surrender", f"{name}|{YEAR}"] = extra
        if number % 10 == 2 and offset:
            cancelled = offset - 3
            streams.findings["surrendered_without_cancellation", f"{name}|{YEAR}"] = Decimal(3)
        if cancelled:
            registry.cancel(rng.choice(sources), cancelled, date(2025, 11, 1), name)
    for number in range(enterprises):
        row = dict(streams.rows["ets_facility_year", 1][number])
        row |= {"facility_id": f"G-{number}", "compliance_year": 2023, "verified_t_co2e": 10, "allocated_t_co2e": 10}
        if number % 15 == 3:
            streams.plant("ets_facility_year", "negative", **(row | {"verified_t_co2e": -10}))
        elif number % 15 == 4:
            streams.plant("ets_facility_year", "output_unit", **(row | {"output_unit": "GJ"}))
        else:
            streams.add("ets_facility_year", 2, **row)


def plan_findings(streams: Streams, registry: Registry) -> None:
    """Projects in a covered facility, early credits used too late, certificates for the same output, and projects registered twice."""
    for number in range(2000, 2010):
        covered = registry.open_project(number, facility=f"F-E{number - 2000:04d}")
        quantity = Decimal(number) / 8
        streams.findings["in_ets_facility", registry.issue(covered, YEAR, quantity)] = quantity
        registry.issue(covered, 2022, quantity)  # before its facility was covered
        early = registry.issue(registry.open_project(number + 100, registered=EARLY), 2022, quantity)
        used = registry.cancel(early, Decimal(2), date(2025, 1, 1), f"lei:B{number}")
        streams.findings["legacy_expired", used] = Decimal(2)
        registry.cancel(early, Decimal(3), date(2024, 12, 31), f"lei:B{number}")  # its last day
        streams.add(
            "ets_surrender", 1, surrender_id=f"S-B{number}", market="CN-ETS", enterprise_id=f"lei:B{number}", compliance_year=YEAR,
            instrument_kind="offset", quantity_t_co2e=5, surrendered_on="2025-12-01",
        )  # fmt: skip
        doubled = registry.open_project(number + 200)
        issuance = registry.issue(doubled, 2023, Decimal(365))
        for batch, start, end in ((f"G{number}", "2023-12-30", "2024-01-05"), (f"H{number}", "2024-01-01", "2024-01-31")):
            streams.add(
                "green_certificate", 1, batch_id=batch, ccer_project_id=doubled, generation_start=start, generation_end=end, energy_mwh=10,
                issued_on="2024-03-01", purchaser_id="",
            )  # fmt: skip
        streams.findings["double_claim_gec", f"G{number}|{issuance}"] = Decimal(2)
        for twin in (number + 300, number + 400):
            registry.open_project(twin, owner=f"lei:T{number}", method="TWICE")
        streams.findings["duplicate_project", f"P{number + 300}|P{number + 400}"] = Decimal(1000 + number + 300)


def plan_market(streams: Streams, rng: random.Random, sessions: list[date]) -> None:
    """A quoted instrument and one of trades alone; the second half of the sessions comes with refused rows among it."""
    close = Decimal("80.00")
    for place, day in enumerate(sessions):
        number = 1 if place < len(sessions) // 2 else 2
        previous, close = close, max(Decimal(40), close + Decimal(rng.randint(-300, 300)) / 100)
        volume = Decimal(rng.randint(100, 90_000))
        quote: dict[str, object] = {
            "market": "CN-ETS", "instrument": "CEA", "trade_method": "listed", "trade_date": day, "open_cny_per_t": close, "high_cny_per_t": close,
            "low_cny_per_t": close, "close_cny_per_t": close, "previous_close_cny_per_t": previous, "volume_t": volume, "turnover_cny": close * volume,
        }  # fmt: skip
        streams.add("market_quote", number, **quote)
        streams.days["CEA", str(day)] = (volume, close * volume)
        sums = [Decimal(0), Decimal(0)]
        for trade in range(8):
            price, amount = close + trade, Decimal(rng.randint(1, 900))
            row = _trade(f"T-{day}-{trade}", day, price, amount, price * amount)
            streams.add("market_trade", number, **row)
            sums = [sums[0] + amount, sums[1] + price * amount]
        streams.days["CEA24", str(day)] = (sums[0], sums[1])
        if number == 2 and place % 10 == 0:
            block = quote | {"trade_method": "block"}
            faults: list[tuple[str, dict[str, object]]] = [
                ("low_high", {"low_cny_per_t": close + 1}),
                ("price_limit", {"previous_close_cny_per_t": close * 2}),
                ("turnover_range", {"turnover_cny": close * volume * 2}),
                ("zero_volume", {"volume_t": 0}),
                ("non_trading_day", {"trade_date": day + timedelta(days=(5 - day.weekday()) % 7)}),
            ]
            rule, change = faults[place // 10 % len(faults)]
            streams.plant("market_quote", rule, **(block | change))
            streams.plant("market_trade", "turnover_product", **_trade(f"X1-{day}", day, close, volume, close * volume + Decimal("0.02")))
            streams.plant(
                "market_trade", "same_account", **(_trade(f"X2-{day}", day, close, volume, close * volume) | {"seller_account": "A1"})
            )
            streams.plant("market_trade", "quantity_positive", **_trade(f"X3-{day}", day, close, Decimal(0), Decimal(0)))
            high = (previous * Decimal("1.2")).quantize(Decimal("0.01"))
            streams.plant("market_trade", "price_limit", **(_trade(f"X4-{day}", day, high, volume, high * volume) | {"instrument": "CEA"}))


def _trade(name: str, day: date, price: Decimal, volume: Decimal, turnover: Decimal) -> dict[str, object]:
    return {
        "market": "CN-ETS", "trade_id": name, "instrument": "CEA24", "trade_method": "listed", "traded_at": f"{day} 10:30:00+08:00",
        "price_cny_per_t": price, "volume_t": volume, "turnover_cny": turnover, "buyer_account": "A1", "seller_account": "B1",
    }  # fmt: skip


def plan_streams(seed: int, sessions: list[date]) -> Streams:
    """All of it, the same for the same seed."""
    rng = random.Random(seed)
    streams = Streams()
    registry = plan_registry(streams, rng)
    plan_accounts(streams, rng, registry)
    plan_findings(streams, registry)
    plan_market(streams, rng, sessions)
    return streams


ORDER = (
    "ets_facility_year", "ets_surrender", "ccer_project", "ccer_issuance", "ccer_cancellation", "green_certificate", "market_quote",
    "market_trade",
)  # fmt: skip


def write_world(streams: Streams, folder: Path) -> Path:
    """The streams as a world: files of a source in their order, first all sound ones."""
    entries = [(source, number) for number in (1, 2) for source in ORDER if (source, number) in streams.rows]
    for source, number in entries:
        path = folder / "inbox" / source / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = streams.rows[source, number]
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        manifest = csv.writer(stream)
        manifest.writerow(["sequence", "received_on", "source", "file"])
        manifest.writerows([place, "2026-01-15", source, f"{number}.csv"] for place, (source, number) in enumerate(entries, start=1))
    return folder
