-- A tier without percentiles, or percentiles without a tier, would be read as a judgement nobody made (methods.md M5).
select tiers.disclosure_id
from {{ ref('footprint__product_tiers') }} as tiers
where
    (tiers.tier is null) <> (tiers.tier_basis <> 'percentiles')
    or (tiers.percentile_rank is null) <> (tiers.tier_basis <> 'percentiles')
