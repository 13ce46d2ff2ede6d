-- A footprint that cannot be given in the catalogue's unit would leave every statistic in silence.
select
    disclosures.disclosure_id,
    disclosures.product_code,
    disclosures.disclosed_unit,
    disclosures.declared_unit
from {{ ref('int_footprint__disclosures_resolved') }} as disclosures
where
    disclosures.footprint_unit_ratio is null
    or disclosures.declared_kg_co2e is null
