{#
    Turnover over volume as a decimal with 18 places: money is never a binary float, and a price above 1e-6 CNY keeps 12 significant
    digits (contracts.md, "Conventions"). Null without volume.
#}
{% macro price_per_tonne(turnover, volume) -%}
    cast({{ turnover }} / nullif({{ volume }}, 0) as decimal(38, 18))
{%- endmacro %}
