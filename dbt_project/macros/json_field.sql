{# A member of a JSON object held as text, as text: `json_field('footprints._extra', 'document_kind')`; null where it is not there. #}
{% macro json_field(text, member) -%}
    {{ return(adapter.dispatch('json_field')(text, member)) }}
{%- endmacro %}

{% macro default__json_field(text, member) -%}
    json_extract_string({{ text }}, '$.{{ member }}')
{%- endmacro %}

{% macro spark__json_field(text, member) -%}
    get_json_object({{ text }}, '$.{{ member }}')
{%- endmacro %}
