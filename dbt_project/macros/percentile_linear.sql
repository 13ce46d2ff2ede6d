{# Percentile with linear interpolation between the neighbours of position (n - 1) x share (methods.md M3, M5); null without values. #}
{% macro percentile_linear(value, share) -%}
    {{ return(adapter.dispatch('percentile_linear')(value, share)) }}
{%- endmacro %}

{% macro default__percentile_linear(value, share) -%}
    quantile_cont({{ value }}, {{ share }})
{%- endmacro %}

{% macro spark__percentile_linear(value, share) -%}
    percentile({{ value }}, {{ share }})
{%- endmacro %}
