{% test finite(model, columns) %}
{# Unknown is null: no double of a mart may be NaN or infinite, since readers would average it away or fail on it. #}
select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns -%}
    {{ is_not_finite(column) }}{{ '\n    or ' if not loop.last }}
    {%- endfor %}
{% endtest %}
