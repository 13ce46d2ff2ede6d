"""What the release changed in the reader's own file, against the file of the same reader before it."""

from __future__ import annotations

from dashboards.reports.changes import KEYS, count_rows, show_changes
from dashboards.reports.exhibit import Exhibit, make_exhibit
from dashboards.reports.sections.subject import Subject
from dashboards.reports.wording import say

# The keys of methods.md for the marts that the plain report does not read.
MORE_KEYS: dict[str, tuple[str, ...]] = {
    "footprint__sectors_by_year_public": ("product_code", "boundary", "gwp_set", "reporting_year", "province_code"),
    "footprint__labelled_products": ("certificate_no",),
    "ets__positions_by_year": ("market", "enterprise_id", "compliance_year"),
    "ets__product_costs_by_year": ("disclosure_id",),
    "ccer__ledger": ("issuance_id",),
    "ccer__findings": ("rule_code", "subject_id"),
    "eia__assessments": ("eia_id",),
    "eia__region_increments_by_year": ("province_code", "year"),
    "finance__borrowers": ("bank_id", "borrower_id", "as_of"),
    "finance__portfolios": ("bank_id", "as_of"),
    "finance__stress_tests": ("bank_id", "borrower_id", "as_of", "price_cny_per_t", "free_allocation_share"),
    "policy__target_progress_by_month": ("month", "document", "indicator", "jurisdiction_code", "target_year"),
    "policy__target_forecasts": ("document", "indicator", "jurisdiction_code", "target_year"),
    "policy__standard_priorities": ("product_code",),
}


def build_changes(subject: Subject) -> Exhibit:
    releases = subject.releases
    marts = {mart: key for mart, key in (KEYS | MORE_KEYS).items() if mart in releases.marts}
    source = ", ".join(marts)
    if not releases.has_previous:
        return make_exhibit("changes", say("changes_first"), say("changes_first_note"), source)
    rows = []
    for mart, key in marts.items():
        there = {row["column_name"] for row in releases.read(f'describe now."{mart}"')}
        before = {row["column_name"] for row in releases.read(f'describe before."{mart}"')} if mart in releases.marts_before else set()
        if set(key) <= before:
            rows.append(count_rows(releases, mart, key, sorted((there & before) - set(key))))
    return show_changes(rows, "audience_changes_note", source)
