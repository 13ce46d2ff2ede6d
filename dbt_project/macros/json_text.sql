{# A JSON object as text, from names and SQL expressions: `json_text({'days': 'overlaps.day_count'})`. #}
{% macro json_text(members) -%}
    {{ return(adapter.dispatch('json_text')(members)) }}
{%- endmacro %}

{% macro default__json_text(members) -%}
    cast(json_object({% for name, value in members.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}

{% macro spark__json_text(members) -%}
    to_json(named_struct({% for name, value in members.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}))
{%- endmacro %}
