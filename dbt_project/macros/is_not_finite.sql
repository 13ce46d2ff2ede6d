{% macro is_not_finite(value) -%}
    {{ return(adapter.dispatch('is_not_finite')(value)) }}
{%- endmacro %}

{% macro default__is_not_finite(value) -%}
    not coalesce(isfinite(cast({{ value }} as double)), true)
{%- endmacro %}

{% macro spark__is_not_finite(value) -%}
    (isnan({{ value }}) or abs({{ value }}) = double('infinity'))
{%- endmacro %}
