"""Rows of the policy instruments' sources that break one rule each: at least one for every such source."""

from warehouse.demonstration.faults import change
from warehouse.demonstration.files import Fault, Row


def spoil_instruments(good: dict[str, list[Row]]) -> dict[str, list[Fault]]:
    """`good`: stored rows of every source, from which the faulty ones start under keys of their own."""
    first = {source: rows[0] for source, rows in good.items()}
    issuance, loan, label = first["ccer_issuance"], first["loan"], first["label_certificate"]
    trade, approval = first["market_trade"], first["eia_project"]
    return {
        "ets_facility_year": [Fault("negative", change(first["ets_facility_year"], facility_id="DEMO-FAC-BAD", verified_t_co2e="-5"))],
        "ets_surrender": [Fault("quantity_positive", change(first["ets_surrender"], surrender_id="DEMO-SUR-BAD", quantity_t_co2e="0"))],
        "ccer_project": [Fault("period_order", change(first["ccer_project"], project_id="DEMO-PRJ-BAD", crediting_end="2000-01-01"))],
        "ccer_issuance": [
            Fault("overlap", change(issuance, issuance_id="DEMO-ISS-BAD-1")),
            Fault(
                "outside_crediting",
                change(issuance, issuance_id="DEMO-ISS-BAD-2", monitoring_start="2005-01-01", monitoring_end="2005-06-30"),
            ),
        ],
        "ccer_cancellation": [
            Fault("over_cancelled", change(first["ccer_cancellation"], cancellation_id="DEMO-CAN-BAD", quantity_t_co2e="900000000"))
        ],
        "green_certificate": [
            Fault("period_order", change(first["green_certificate"], batch_id="DEMO-GEC-BAD", generation_end="2000-01-01"))
        ],
        "eia_project": [
            Fault("intensity", change(approval, eia_id="DEMO-EIA-BAD-1", intensity_kg_co2e_per_unit="0.000001")),
            Fault("enumeration", change(approval, eia_id="DEMO-EIA-BAD-2", approval_level="village")),
        ],
        "loan": [
            Fault("not_month_end", change(loan, loan_id="DEMO-LN-BAD-1", as_of="2026-06-15")),
            Fault("range", change(loan, loan_id="DEMO-LN-BAD-2", outstanding_cny="-1")),
        ],
        "label_certificate": [
            Fault("validity_order", change(label, certificate_no="DEMO-LBL-BAD-1", expires_on=label["issued_on"])),
            Fault("disclosure_unknown", change(label, certificate_no="DEMO-LBL-BAD-2", disclosure_id="DEMO-2025-9999999")),
            Fault("enterprise_mismatch", change(label, certificate_no="DEMO-LBL-BAD-3", enterprise_id=_another(good["label_certificate"]))),
        ],
        "pcf_standard": [Fault("enumeration", change(first["pcf_standard"], standard_code="DEMO/PCF-BAD", stage="published"))],
        "policy_task": [Fault("range", change(first["policy_task"], task_no="23"))],
        "market_trade": [
            Fault("same_account", change(trade, trade_id="DEMO-TRD-BAD-1", buyer_account=trade["seller_account"])),
            Fault("turnover_product", change(trade, trade_id="DEMO-TRD-BAD-2", turnover_cny="1")),
        ],
        "meter_reading": [Fault("negative", change(first["meter_reading"], meter_id="DEMO-MTR-BAD", quantity="-1"))],
    }


def _another(rows: list[Row]) -> str | None:
    """An enterprise that the first row's disclosure is not of."""
    return next(row["enterprise_id"] for row in rows if row["enterprise_id"] != rows[0]["enterprise_id"])
