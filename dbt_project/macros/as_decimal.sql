{#
    What a product or a ratio of money or tonnes gives, kept as a decimal with 18 places: 12 significant digits of anything above a
    millionth (contracts.md, "Conventions"). The arithmetic before it is in doubles, since the scale of a product of decimals differs
    between engines.
#}
{% macro as_decimal(value) -%}
    cast({{ value }} as decimal(38, 18))
{%- endmacro %}
