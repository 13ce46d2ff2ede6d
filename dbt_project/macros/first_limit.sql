{# Which of a group's limits, in order of a key, a value does not exceed: the limits travel as one list per group instead of a row each. #}
{% macro ordered_list(value, key) -%}
    {{ return(adapter.dispatch('ordered_list')(value, key)) }}
{%- endmacro %}

{% macro default__ordered_list(value, key) -%}
    list({{ value }} order by {{ key }})
{%- endmacro %}

{% macro spark__ordered_list(value, key) -%}
    transform(array_sort(collect_list(struct({{ key }} as k, {{ value }} as v))), item -> item.v)
{%- endmacro %}

{# The item at the place of the first limit that the value does not exceed; null where it exceeds them all. Limits ascend. #}
{% macro item_of_first_limit(value, limits, items) -%}
    {{ return(adapter.dispatch('item_of_first_limit')(value, limits, items)) }}
{%- endmacro %}

{% macro default__item_of_first_limit(value, limits, items) -%}
    list_extract({{ items }}, 1 + len(list_filter({{ limits }}, reached -> reached < {{ value }})))
{%- endmacro %}

{% macro spark__item_of_first_limit(value, limits, items) -%}
    get({{ items }}, size(filter({{ limits }}, reached -> reached < {{ value }})))
{%- endmacro %}
