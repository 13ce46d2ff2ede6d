{# The rows of a Parquet file. #}
{% macro parquet_rows(path) -%}
    {{ return(adapter.dispatch('parquet_rows')(path)) }}
{%- endmacro %}

{% macro default__parquet_rows(path) -%}
    read_parquet('{{ path | replace("'", "''") }}')
{%- endmacro %}

{% macro spark__parquet_rows(path) -%}
    parquet.`{{ path }}`
{%- endmacro %}
