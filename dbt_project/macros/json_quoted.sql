{# A text as a JSON string, quotes included. #}
{% macro json_quoted(value) -%}
    {{ return(adapter.dispatch('json_quoted')(value)) }}
{%- endmacro %}

{% macro default__json_quoted(value) -%}
    cast(to_json({{ value }}) as varchar)
{%- endmacro %}

{% macro spark__json_quoted(value) -%}
    regexp_extract(to_json(named_struct('v', {{ value }})), '^.v.:(.*).$', 1)
{%- endmacro %}
