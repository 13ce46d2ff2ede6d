"""Drift of loan books: their scale, their size, and how they stand to the borrowers' value."""

from __future__ import annotations

from expectations.check import Check, Limits
from expectations.drift import check_known_by_receipt, check_members, check_newest, check_scale, check_share
from ingest.contract import Contract


def list_checks(contract: Contract, limits: Limits) -> list[Check]:
    return [
        check_scale("balances_rescaled", limits, ["bank_id", "loan_id"], "outstanding_cny"),
        check_scale("values_rescaled", limits, ["borrower_id"], "borrower_total_value_cny"),
        check_members("book_shrank", limits, ["bank_id"], "as_of", "loan_id"),
        check_share("lent_above_value", limits, "outstanding_cny > borrower_total_value_cny", "loan_id"),
        check_newest("month_end_old", limits, "as_of"),
        check_known_by_receipt("as_of", "loan_id"),
    ]
