-- A label is valid exactly while its newest state says so and the day of the release lies between issue and expiry.
select labels.certificate_no
from {{ ref('footprint__labelled_products') }} as labels
where
    labels.is_label_valid is distinct from (
        labels.state = 'valid' and {{ as_of_day() }} between labels.issued_on and labels.expires_on
    )
    or labels.state_on > {{ as_of_day() }}
