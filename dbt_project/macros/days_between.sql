{# Days from one date to another, both included; nothing below zero. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_between')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%}
    greatest(date_diff('day', {{ first_day }}, {{ last_day }}) + 1, 0)
{%- endmacro %}

{% macro spark__days_between(first_day, last_day) -%}
    greatest(datediff({{ last_day }}, {{ first_day }}) + 1, 0)
{%- endmacro %}
