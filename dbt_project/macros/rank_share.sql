{# Place of a figure among the rows that have one, from 0 (the smallest) to 1 (the greatest); equals share the smaller place (methods.md M12). #}
{% macro rank_share(value) -%}
    case
        when {{ value }} is not null
            then cast(rank() over (order by case when {{ value }} is null then 1 else 0 end asc, {{ value }} asc) - 1 as double)
                / nullif(count({{ value }}) over () - 1, 0)
    end
{%- endmacro %}
