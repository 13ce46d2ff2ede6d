{% test accepted_range(model, column_name, min_value=none, max_value=none, exclusive=false) %}
{# Null is unknown and passes; NaN and infinities never do. Both bounds are included unless `exclusive`, and a ratio may round to just beyond
   one: five times a sum over the sum is not always 5. #}
{% set slack = 0 if exclusive else 1e-9 %}
select {{ column_name }}
from {{ model }}
where
    {{ is_not_finite(column_name) }}
    {%- if min_value is not none %}
    or {{ column_name }} {{ '<=' if exclusive else '<' }} {{ min_value }} - {{ slack }}
    {%- endif %}
    {%- if max_value is not none %}
    or {{ column_name }} {{ '>=' if exclusive else '>' }} {{ max_value }} + {{ slack }}
    {%- endif %}
{% endtest %}
