{#
    The last local day that is known: publication dates are local days of Asia/Shanghai, `as_of` is UTC.
    China has kept UTC+8 all year since 1991, so eight hours are exact for every date the contracts allow.
#}
{% macro as_of_day() -%}
    cast(cast('{{ var("as_of") }}' as timestamp) + interval '8' hour as date)
{%- endmacro %}

{# The day whose dated policy seeds hold. #}
{% macro rule_day() -%}
    cast('{{ var("rule_date") }}' as date)
{%- endmacro %}

{% macro year_of(day) -%}
    cast(extract(year from {{ day }}) as integer)
{%- endmacro %}
