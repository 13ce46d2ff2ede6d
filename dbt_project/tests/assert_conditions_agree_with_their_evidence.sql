-- Whatever a condition says, the evidence beside it says the same (methods.md M10).
select
    borrowers.bank_id,
    borrowers.borrower_id,
    borrowers.as_of
from {{ ref('finance__borrowers') }} as borrowers
where
    (borrowers.has_good_tier and borrowers.tier_disclosure_id is null)
    or borrowers.has_valid_label <> (borrowers.label_certificate_no is not null)
    or borrowers.is_ets_clear <> (borrowers.ets_outstanding_t_co2e = 0)
    or borrowers.has_no_ccer_finding <> (borrowers.ccer_finding is null)
    or borrowers.has_no_ccer_finding <> (borrowers.ccer_finding_count = 0)
    or borrowers.has_no_lagging_eia <> (borrowers.lagging_eia_id is null)
