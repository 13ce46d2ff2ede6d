{#
    The last local day that is known: publication dates are local days of Asia/Shanghai, `as_of` is UTC.
    China has kept UTC+8 all year since 1991, so eight hours are exact for every date the contracts allow.
#}
{% macro as_of_day() -%}
    {{ local_day("cast('" ~ var("as_of") ~ "' as timestamp)") }}
{%- endmacro %}

{# The day whose dated policy seeds hold. #}
{% macro rule_day() -%}
    cast('{{ var("rule_date") }}' as date)
{%- endmacro %}

{% macro year_of(day) -%}
    cast(extract(year from {{ day }}) as integer)
{%- endmacro %}

{# The local day of an instant, which is stored in UTC. #}
{% macro local_day(instant) -%}
    cast({{ instant }} + interval '8' hour as date)
{%- endmacro %}
