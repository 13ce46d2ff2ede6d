{# Schema names are an interface (docs/architecture.md): exactly `marts`, never `main_marts`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
