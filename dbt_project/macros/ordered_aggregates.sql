{#
    Sums and moments of binary floats depend on the order of addition. These add in the order of the values themselves, so that the
    result depends on the set of values alone and a release has the same content hash whatever the number of threads (methods.md M14).
    Sorting a list per group costs a sixth of `sum(x order by key)` on a million lines. Nulls do not count; without values the result is null.
#}
{% macro ordered_sum(value) -%}
    {{ return(adapter.dispatch('ordered_sum')(value)) }}
{%- endmacro %}

{% macro default__ordered_sum(value) -%}
    list_sum(list_sort(list({{ value }})))
{%- endmacro %}

{% macro spark__ordered_sum(value) -%}
    case
        when count({{ value }}) > 0
            then aggregate(array_sort(collect_list({{ value }})), cast(0 as double), (total, item) -> total + item)
    end
{%- endmacro %}

{% macro ordered_mean(value) -%}
    {{ return(adapter.dispatch('ordered_mean')(value)) }}
{%- endmacro %}

{% macro default__ordered_mean(value) -%}
    list_avg(list_sort(list({{ value }})))
{%- endmacro %}

{% macro spark__ordered_mean(value) -%}
    {{ spark__ordered_sum(value) }} / nullif(count({{ value }}), 0)
{%- endmacro %}

{# Sample standard deviation; null below two values, as SQL has it. #}
{% macro ordered_stddev(value) -%}
    {{ return(adapter.dispatch('ordered_stddev')(value)) }}
{%- endmacro %}

{% macro default__ordered_stddev(value) -%}
    list_stddev_samp(list_sort(list({{ value }})))
{%- endmacro %}

{# Two passes over the sorted values: Spark's own stddev_samp merges partitions in the order in which they finish. #}
{% macro spark__ordered_stddev(value) -%}
    case
        when count({{ value }}) > 1 then sqrt(
            aggregate(
                array_sort(collect_list({{ value }})),
                cast(0 as double),
                (total, item) -> total + pow(item - {{ spark__ordered_mean(value) }}, 2)
            ) / (count({{ value }}) - 1)
        )
    end
{%- endmacro %}
