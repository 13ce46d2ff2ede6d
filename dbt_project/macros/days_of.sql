{# One row per day from one date to another; stands alone in a select list. #}
{% macro days_of(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_of')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_of(first_day, last_day) -%}
    unnest(generate_series({{ first_day }}, {{ last_day }}, interval '1' day))
{%- endmacro %}

{% macro spark__days_of(first_day, last_day) -%}
    explode(sequence({{ first_day }}, {{ last_day }}, interval '1' day))
{%- endmacro %}
