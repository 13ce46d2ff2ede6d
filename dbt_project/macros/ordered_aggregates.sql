{#
    Sums and moments of binary floats depend on the order of addition. These fix the order by a unique key, so that a release
    has the same content hash whatever the number of threads (methods.md M14). `unique_key` is a column or a list of columns.
#}
{% macro ordered_sum(value, unique_key) -%}
    {{ return(adapter.dispatch('ordered_sum')(value, unique_key)) }}
{%- endmacro %}

{% macro default__ordered_sum(value, unique_key) -%}
    sum({{ value }} order by {{ unique_key }})
{%- endmacro %}

{% macro spark__ordered_sum(value, unique_key) -%}
    {{ spark_fold(value, unique_key) }}
{%- endmacro %}

{% macro ordered_mean(value, unique_key) -%}
    {{ return(adapter.dispatch('ordered_mean')(value, unique_key)) }}
{%- endmacro %}

{% macro default__ordered_mean(value, unique_key) -%}
    avg({{ value }} order by {{ unique_key }})
{%- endmacro %}

{% macro spark__ordered_mean(value, unique_key) -%}
    {{ spark_fold(value, unique_key) }} / nullif(count({{ value }}), 0)
{%- endmacro %}

{# Sample standard deviation; null below two values, as SQL has it. #}
{% macro ordered_stddev(value, unique_key) -%}
    {{ return(adapter.dispatch('ordered_stddev')(value, unique_key)) }}
{%- endmacro %}

{% macro default__ordered_stddev(value, unique_key) -%}
    stddev_samp({{ value }} order by {{ unique_key }})
{%- endmacro %}

{# Two passes over the sorted values: Spark's own stddev_samp merges partitions in the order in which they finish. #}
{% macro spark__ordered_stddev(value, unique_key) -%}
    case
        when count({{ value }}) > 1 then sqrt(
            aggregate(
                {{ spark_sorted(value, unique_key) }},
                cast(0 as double),
                (total, item) -> total + pow(item.v - {{ spark__ordered_mean(value, unique_key) }}, 2)
            ) / (count({{ value }}) - 1)
        )
    end
{%- endmacro %}

{% macro spark_sorted(value, unique_key) -%}
    array_sort(collect_list(
        case when {{ value }} is not null then named_struct('k', struct({{ unique_key }}), 'v', cast({{ value }} as double)) end
    ))
{%- endmacro %}

{% macro spark_fold(value, unique_key) -%}
    case
        when count({{ value }}) > 0 then
            aggregate({{ spark_sorted(value, unique_key) }}, cast(0 as double), (total, item) -> total + item.v)
    end
{%- endmacro %}
