{#
    Turnover over volume as a decimal with 18 places: money is never a binary float, and a price above 1e-6 CNY keeps 12 significant
    digits (contracts.md, "Conventions"). The quotient itself is taken in doubles, since a quotient of two wide decimals keeps as few as
    six places on Spark. Null without volume.
#}
{% macro price_per_tonne(turnover, volume) -%}
    cast(cast({{ turnover }} as double) / cast(nullif({{ volume }}, 0) as double) as decimal(38, 18))
{%- endmacro %}
