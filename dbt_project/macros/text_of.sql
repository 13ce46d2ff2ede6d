{# A value as text; engines differ in the name of the type. #}
{% macro text_of(value) -%}
    cast({{ value }} as {{ dbt.type_string() }})
{%- endmacro %}
