{# The value of the row with the greatest `order_value` in its group; rows whose value is null do not count. #}
{% macro newest_value(value, order_value) -%}
    {{ return(adapter.dispatch('newest_value')(value, order_value)) }}
{%- endmacro %}

{% macro default__newest_value(value, order_value) -%}
    arg_max({{ value }}, {{ order_value }})
{%- endmacro %}

{% macro spark__newest_value(value, order_value) -%}
    max_by({{ value }}, {{ order_value }}) filter (where {{ value }} is not null)
{%- endmacro %}
