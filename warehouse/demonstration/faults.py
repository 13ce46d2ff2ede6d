"""Rows that break the contracts on purpose: at least one for every row rule of the five sources.

Each fault starts from a good row under a key of its own, so that it breaks the rule it is named after and no other
(`key_conflict` needs the key of a stored row instead).
"""

from collections.abc import Iterable

from warehouse.demonstration.files import Fault, Row

BELL = "\x07"
LAST_STAGES = ("distribution_kg_co2e", "use_kg_co2e", "end_of_life_kg_co2e")
# A weekday holiday and a Saturday, inside the days of the second stage.
HOLIDAY, SATURDAY = "2026-05-01", "2026-06-06"


def change(row: Row, **cells: str | None) -> Row:
    unknown = set(cells) - set(row)
    if unknown:
        raise KeyError(f"no such columns: {sorted(unknown)}")
    return row | cells


def spoil_enterprises(good: list[Row]) -> list[Fault]:
    """`good`: at least six rows whose codes are valid and unrelated to the other rows of the delivery."""
    codes = [row["enterprise_id"] or "" for row in good[:6]]
    wrong_check = "0" if codes[0][-1] != "0" else "1"
    return [
        Fault("identifier_check", change(good[0], enterprise_id=codes[0][:-1] + wrong_check)),
        Fault("identifier_check", change(good[1], enterprise_id=codes[1][:8] + "I" + codes[1][9:])),
        Fault("required", change(good[2], enterprise_name=None)),
        Fault("required", change(good[3], province_code=None)),
        Fault("enumeration", change(good[4], province_code="999999")),
        Fault("control_character", change(good[5], enterprise_name=f"示范{BELL}企业（合成）")),
    ]


def spoil_footprints(stored: Row, gate: Row, peer: Row, identifiers: Iterable[str]) -> list[Fault]:
    """`gate` is cradle to gate with a breakdown and in t, `peer` is of a product with many disclosures, stated in t or kg."""
    total, raw = float(gate["total_kg_co2e"] or 0), float(gate["raw_material_kg_co2e"] or 0)
    production = float(gate["production_kg_co2e"] or 0)
    bare = {f"{stage}_kg_co2e": None for stage in ("raw_material", "production", "distribution", "use", "end_of_life")}
    ends = (gate["period_end"] or "")[:4]
    cells: list[tuple[str, Row, dict[str, str | None]]] = [
        ("identifier_check", gate, {"enterprise_id": (gate["enterprise_id"] or "")[:-1] + "I"}),
        ("type", gate, {"output_quantity": "约三万吨"}),
        ("type", gate, {"period_start": "2025-02-30"}),
        ("required", gate, {"product_name": None}),
        ("required", gate, {"submitted_at": None}),
        ("enumeration", gate, {"gwp_set": "AR3"}),
        ("enumeration", gate, {"boundary": "gate_to_gate"}),
        ("enumeration", gate, {"declared_unit": "吨"}),
        ("range", gate, {"revision": "0"}),
        ("range", gate, {"primary_data_share": "1.7"}),
        ("range", gate, {"data_quality_rating": "6"}),
        ("range", gate, {"removals_kg_co2e": "-3"}),
        ("stage_sum", gate, {"total_kg_co2e": repr(round(total * 1.02, 6))}),
        ("stage_negative", gate, {"raw_material_kg_co2e": repr(round(raw + 2 * production, 6)), "production_kg_co2e": repr(-production)}),
        ("breakdown_incomplete", gate, {"production_kg_co2e": None}),
        ("period_length", gate, {"period_start": f"{int(ends) - 3}-01-01"}),
        ("period_length", gate, {"period_start": gate["period_end"], "period_end": gate["period_start"]}),
        ("period_future", gate, {"submitted_at": f"{ends}-06-30T09:00:00+08:00"}),
        ("total_positive", gate, bare | {"total_kg_co2e": "0"}),
        ("gate_last_stages", gate, {"distribution_kg_co2e": "0"}),
        ("gate_last_stages", gate, dict.fromkeys(LAST_STAGES, "0")),
        ("product_unknown", gate, {"product_code": "PERPETUAL-MOTION"}),
        ("unit_dimension", gate, {"declared_unit": "kWh"}),
        ("outlier", peer, bare | {"declared_unit": "kg" if peer["declared_unit"] == "t" else "t"}),
        ("control_character", gate, {"product_name": f"钢{BELL}"}),
    ]
    faults = [
        Fault(rule, change(row, disclosure_id=identifier, **({"revision": "1"} | changed)))
        for identifier, (rule, row, changed) in zip(identifiers, cells, strict=False)
    ]
    if len(faults) != len(cells):
        raise ValueError("every faulty disclosure needs a number of its own")
    return [*faults, Fault("key_conflict", change(stored, output_quantity="1"))]


def spoil_lines(stored: Row, good: Row, identifiers: Iterable[str]) -> list[Fault]:
    """`good` is an electricity line; its copies get line numbers that its disclosure does not use."""
    cells: list[tuple[str, dict[str, str | None]]] = [
        ("type", {"quantity": "若干"}),
        ("required", {"activity_code": None}),
        ("enumeration", {"stage": "packaging"}),
        ("enumeration", {"data_source": "estimated"}),
        ("enumeration", {"unit": "万千瓦时"}),
        ("enumeration", {"activity_code": "magic"}),
        ("enumeration", {"geography_code": "999999"}),
        ("range", {"quantity": "-1"}),
        ("unit_dimension", {"unit": "kg"}),
        ("self_supplier", {"supplier_disclosure_id": good["disclosure_id"]}),
        ("control_character", {"supplier_disclosure_id": f"DEMO{BELL}"}),
    ]
    faults = [Fault(rule, change(good, line_no=str(900 + number), **changed)) for number, (rule, changed) in enumerate(cells)]
    faults += [Fault("orphan", change(good, disclosure_id=identifier, revision="1")) for identifier in identifiers]
    return [*faults, Fault("key_conflict", change(stored, quantity="123456"))]


def spoil_factors(stored: Row, received_on: str) -> list[Fault]:
    """`stored` is a footprint factor of an energy; the copies are editions of their own."""
    cells: list[tuple[str, dict[str, str | None]]] = [
        ("type", {"kg_co2e_per_unit": "n/a"}),
        ("required", {"publisher": None}),
        ("required", {"citation": None}),
        ("enumeration", {"factor_family": "scope2"}),
        ("enumeration", {"activity_code": "magic"}),
        ("enumeration", {"geography_code": "CN-GRID-MOON"}),
        ("range", {"uncertainty_pct": "-5"}),
        ("negative", {"kg_co2e_per_unit": "-0.4"}),
        ("validity_order", {"valid_from": "2024-01-01", "valid_to": "2024-01-01"}),
        ("unit_dimension", {"unit": "kg"}),
        ("published_future", {"published_on": "2099-01-01"}),
        ("control_character", {"publisher": f"示范{BELL}"}),
    ]
    faults = [Fault(rule, change(stored, edition=f"bad-{number:02d}", **changed)) for number, (rule, changed) in enumerate(cells)]
    overlapping = change(stored, factor_id=f"{stored['factor_id']}-again", valid_from="2024-01-01", published_on=received_on)
    return [*faults, Fault("validity_overlap", overlapping), Fault("key_conflict", change(stored, kg_co2e_per_unit="0.9999"))]


def spoil_quotes(listed: Row, block: Row, stored: Row) -> list[Fault]:
    """`listed` has open, high and low; the copies are quotes of vintages that the demonstration does not trade."""
    close, volume = float(listed["close_cny_per_t"] or 0), float(listed["volume_t"] or 0)
    jump = f"{close * 1.25:.2f}"
    cells: list[tuple[str, Row, dict[str, str | None]]] = [
        ("type", listed, {"close_cny_per_t": "暂停"}),
        ("type", listed, {"trade_date": "26-6-1"}),
        ("required", listed, {"volume_t": None}),
        ("enumeration", listed, {"trade_method": "barter"}),
        ("range", listed, {"open_cny_per_t": None, "low_cny_per_t": None, "high_cny_per_t": None, "volume_t": "-250"}),
        ("low_high", listed, {"high_cny_per_t": f"{close - 0.5:.2f}", "low_cny_per_t": f"{close - 1:.2f}", "open_cny_per_t": None}),
        ("low_high", listed, {"open_cny_per_t": f"{close * 1.05:.2f}"}),
        (
            "price_limit",
            listed,
            {"open_cny_per_t": None, "low_cny_per_t": close_text(close), "high_cny_per_t": jump, "close_cny_per_t": jump}
            | {"previous_close_cny_per_t": close_text(close), "turnover_cny": f"{float(jump) * volume:.2f}"},
        ),
        ("price_limit", block, {"previous_close_cny_per_t": f"{float(block['close_cny_per_t'] or 0) / 1.4:.2f}"}),
        ("turnover_range", listed, {"turnover_cny": f"{close * volume * 1.2:.2f}"}),
        (
            "turnover_range",
            listed,
            {"open_cny_per_t": None, "low_cny_per_t": None, "high_cny_per_t": None, "turnover_cny": f"{close * volume * 1.01:.2f}"},
        ),
        ("non_trading_day", listed, {"trade_date": HOLIDAY}),
        ("non_trading_day", listed, {"trade_date": SATURDAY}),
        ("zero_volume", listed, {"turnover_cny": "0"}),
        ("zero_volume", listed, {"volume_t": "0"}),
        ("control_character", listed, {"instrument": f"CEA{BELL}"}),
    ]
    faults = [Fault(rule, change(row, **({"instrument": f"CEA{30 + number}"} | cell))) for number, (rule, row, cell) in enumerate(cells)]
    return [*faults, Fault("key_conflict", change(stored, previous_close_cny_per_t=None))]


def close_text(close: float) -> str:
    return f"{close:.2f}"
