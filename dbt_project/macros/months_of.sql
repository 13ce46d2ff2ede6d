{# One row per month, as its first day, from the month of one date to that of another; stands alone in a select list. #}
{% macro months_of(first_day, last_day) -%}
    {{ return(adapter.dispatch('months_of')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__months_of(first_day, last_day) -%}
    unnest(
        generate_series(
            cast(date_trunc('month', {{ first_day }}) as date), cast(date_trunc('month', {{ last_day }}) as date), interval '1' month
        )
    )
{%- endmacro %}

{% macro spark__months_of(first_day, last_day) -%}
    explode(
        sequence(
            cast(date_trunc('month', {{ first_day }}) as date), cast(date_trunc('month', {{ last_day }}) as date), interval '1' month
        )
    )
{%- endmacro %}

{# Whole calendar months after that of a day, to December of a year; none below zero. #}
{% macro months_left(day, year) -%}
    greatest(12 * ({{ year }} - cast(extract(year from {{ day }}) as integer)) + 12 - cast(extract(month from {{ day }}) as integer), 0)
{%- endmacro %}
