"""What must hold between the footprint marts, the landed rows behind them and the last release (methods M1 to M5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expectations import composition
from expectations.check import Check, Limits, count_broken, list_examples
from expectations.disclosure import list_disclosure_checks, record_attack
from expectations.shape import check_emptied, check_filled, check_finite, check_keys, check_present, is_close

MARTS = (
    "footprint__products",
    "footprint__sectors_by_year",
    "footprint__sectors_by_year_public",
    "footprint__benchmarks_by_year",
    "footprint__product_tiers",
)
prepare = record_attack
FED_BY = ("product_footprint",)

_CELL = ("product_code", "boundary", "gwp_set", "reporting_year")
_KEYS = {
    "footprint__products": ("disclosure_id",),
    "footprint__sectors_by_year": (*_CELL, "province_code"),
    "footprint__sectors_by_year_public": (*_CELL, "province_code"),
    "footprint__benchmarks_by_year": _CELL,
    "footprint__product_tiers": ("disclosure_id",),
}
_FIGURES = {
    "footprint__products": (
        "revision", "enterprise_id", *_CELL, "declared_unit", "declared_kg_co2e", "recalculation_status", "is_verified",
    ),
    "footprint__sectors_by_year": (
        "disclosure_count", "enterprise_count", "mean_kg_co2e", "p10_kg_co2e", "p25_kg_co2e", "p50_kg_co2e", "p75_kg_co2e", "p90_kg_co2e",
    ),
    "footprint__benchmarks_by_year": ("disclosure_count", "enterprise_count", "tier_basis"),
    "footprint__product_tiers": (*_CELL, "declared_kg_co2e", "tier_basis"),
}  # fmt: skip
_COUNTRY = "000000"
_CELL_LIST = ", ".join(_CELL)
_CELL_SHOWN = "concat_ws(' ', " + ", ".join(f"cell.{name}" for name in _CELL) + ")"

# The disclosures in force, found without the models: the highest revision that landed.
_IN_FORCE = """
select landing.*, unit_of_catalogue.factor_to_base / unit_declared.factor_to_base as units_per_catalogue_unit, product.declared_unit as unit
from landing.product_footprint as landing
join (select disclosure_id, max(revision) as revision from landing.product_footprint group by disclosure_id) as newest
    on landing.disclosure_id = newest.disclosure_id and landing.revision = newest.revision
left join reference.product_catalogue as product on landing.product_code = product.product_code
left join reference.unit as unit_declared on landing.declared_unit = unit_declared.unit
left join reference.unit as unit_of_catalogue on product.declared_unit = unit_of_catalogue.unit
"""


def _check_in_force() -> Check:
    condition = (
        "(mart.revision = landed.revision and mart.enterprise_id = landed.enterprise_id and mart.product_code = landed.product_code"
        " and mart.boundary = landed.boundary and mart.gwp_set = landed.gwp_set"
        " and mart.reporting_year = year(landed.period_end)) is not true"
    )
    return Check(
        "disclosures_in_force",
        "select count(*) as examined, count(*) filter (where broken) as broken, "
        + list_examples("shown", "broken")
        + f" as evidence from (select {condition} as broken, coalesce(landed.disclosure_id, mart.disclosure_id) || ' revision '"
        " || coalesce(landed.revision::varchar, 'not landed') || ', in the mart ' || coalesce(mart.revision::varchar, 'none') as shown"
        f" from ({_IN_FORCE}) as landed full join marts.footprint__products as mart on landed.disclosure_id = mart.disclosure_id)",
    )


def _check_conversion(limits: Limits) -> Check:
    tolerance = limits.value("figures_converted", "relative_tolerance")
    expected_output = "landed.output_quantity / landed.units_per_catalogue_unit"
    condition = (
        f"({is_close('mart.declared_kg_co2e', 'landed.total_kg_co2e * landed.units_per_catalogue_unit', tolerance)}"
        f" and ((mart.output_quantity is null and landed.output_quantity is null)"
        f" or {is_close('mart.output_quantity', expected_output, tolerance)})"
        " and mart.declared_unit = landed.unit) is not true"
    )
    shown = (
        "mart.disclosure_id || ': landed ' || landed.total_kg_co2e || ' per ' || landed.declared_unit || ', in the mart '"
        " || coalesce(mart.declared_kg_co2e::varchar, 'null') || ' per ' || coalesce(mart.declared_unit, 'null')"
    )
    return Check(
        "figures_converted",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from marts.footprint__products as mart join ({_IN_FORCE}) as landed on mart.disclosure_id = landed.disclosure_id",
    )


def _check_provinces(limits: Limits) -> Check:
    """Provinces, and the disclosures of enterprises without a known province, which count in the country only."""
    tolerance = limits.value("country_is_sum_of_provinces", "relative_tolerance")
    sums = "sum(disclosure_count) as disclosures, sum(coalesce(output_quantity, 0)) as output, sum(coalesce(total_t_co2e, 0)) as total"
    parts = (
        f"select {_CELL_LIST}, {sums} from (select {_CELL_LIST}, disclosure_count, output_quantity, total_t_co2e"
        f" from marts.footprint__sectors_by_year where province_code <> '{_COUNTRY}' union all select {_CELL_LIST}, count(*),"
        " sum(output_quantity), sum(declared_kg_co2e * output_quantity) / 1000 from marts.footprint__products where province_code is null"
        f" group by all) group by {_CELL_LIST}"
    )
    condition = (
        "(cell.disclosure_count = parts.disclosures"
        f" and {is_close('coalesce(cell.output_quantity, 0)', 'parts.output', tolerance)}"
        f" and {is_close('coalesce(cell.total_t_co2e, 0)', 'parts.total', tolerance)}) is not true"
    )
    shown = (
        f"{_CELL_SHOWN} || ': country ' || coalesce(round(cell.total_t_co2e, 3)::varchar, 'null') || ' t of ' || cell.disclosure_count"
        " || ' disclosures, parts ' || coalesce(round(parts.total, 3)::varchar, 'null') || ' t of '"
        " || coalesce(parts.disclosures::varchar, 'none')"
    )
    return Check(
        "country_is_sum_of_provinces",
        "select count(*) as examined, count(*) filter (where broken) as broken, "
        + list_examples("shown", "broken")
        + f" as evidence from (select {condition} as broken, coalesce({shown}, 'provinces without a country cell') as shown"
        f" from (select * from marts.footprint__sectors_by_year where province_code = '{_COUNTRY}') as cell"
        f" full join ({parts}) as parts using ({_CELL_LIST}))",
    )


def _check_products(limits: Limits) -> Check:
    tolerance = limits.value("country_is_sum_of_products", "relative_tolerance")
    again = (
        f"select {_CELL_LIST}, count(*) as disclosures, count(distinct enterprise_id) as enterprises, sum(output_quantity) as output,"
        " avg(declared_kg_co2e) as mean, sum(declared_kg_co2e * output_quantity) / 1000 as total,"
        " sum(declared_kg_co2e * output_quantity) / nullif(sum(output_quantity), 0) as weighted_mean"
        f" from marts.footprint__products group by {_CELL_LIST}"
    )
    pairs = (
        ("cell.mean_kg_co2e", "again.mean"),
        ("cell.output_quantity", "again.output"),
        ("cell.total_t_co2e", "again.total"),
        ("cell.weighted_mean_kg_co2e", "again.weighted_mean"),
    )
    # Without any output the weighted figures are unknown on both sides; one side alone unknown is a difference.
    figures = " and ".join(f"(({left} is null and {right} is null) or {is_close(left, right, tolerance)})" for left, right in pairs)
    condition = f"(cell.disclosure_count = again.disclosures and cell.enterprise_count = again.enterprises and {figures}) is not true"
    shown = (
        f"{_CELL_SHOWN} || ': mart ' || coalesce(round(cell.total_t_co2e, 3)::varchar, 'null') || ' t of ' || cell.disclosure_count"
        " || ', again ' || coalesce(round(again.total, 3)::varchar, 'null') || ' t of ' || coalesce(again.disclosures::varchar, 'none')"
    )
    return Check(
        "country_is_sum_of_products",
        "select count(*) as examined, count(*) filter (where broken) as broken, "
        + list_examples("shown", "broken")
        + f" as evidence from (select {condition} as broken, coalesce({shown}, 'disclosures without a country cell') as shown"
        f" from (select * from marts.footprint__sectors_by_year where province_code = '{_COUNTRY}') as cell"
        f" full join ({again}) as again using ({_CELL_LIST}))",
    )


def _check_change(limits: Limits) -> Check:
    tolerance = limits.value("change_adds_up", "relative_tolerance")
    # Differences are measured against the means they come from: a small change of a large mean keeps the mean's rounding.
    scale = "greatest(abs(cell.weighted_mean_kg_co2e), abs(earlier.weighted_mean_kg_co2e))"
    parts = "cell.yoy_within_kg_co2e + cell.yoy_mix_kg_co2e + cell.yoy_entry_exit_kg_co2e"
    means = "cell.weighted_mean_kg_co2e - earlier.weighted_mean_kg_co2e"
    nulls = "coalesce(cell.yoy_change_kg_co2e, cell.yoy_within_kg_co2e, cell.yoy_mix_kg_co2e, cell.yoy_entry_exit_kg_co2e) is null"
    condition = (
        f"(case when ({means}) is null then {nulls} else abs({parts} - cell.yoy_change_kg_co2e) <= {tolerance!r} * {scale}"
        f" and abs(cell.yoy_change_kg_co2e - ({means})) <= {tolerance!r} * {scale} end) is not true"
    )
    shown = (
        f"{_CELL_SHOWN} || ' ' || cell.province_code || ': change ' || coalesce(cell.yoy_change_kg_co2e::varchar, 'null') || ', parts '"
        f" || coalesce(({parts})::varchar, 'null') || ', means ' || coalesce(({means})::varchar, 'null')"
    )
    return Check(
        "change_adds_up",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        " from marts.footprint__sectors_by_year as cell left join marts.footprint__sectors_by_year as earlier"
        " on cell.product_code = earlier.product_code and cell.boundary = earlier.boundary and cell.gwp_set = earlier.gwp_set"
        " and cell.province_code = earlier.province_code and cell.reporting_year = earlier.reporting_year + 1",
    )


def _check_order(limits: Limits) -> Check:
    # A share of all may round to just above 1, and a percentile between two equal figures to just above the next one.
    slack = 1 + limits.value("statistics_ordered", "relative_tolerance")
    ordered = " and ".join(f"p{low}_kg_co2e <= p{high}_kg_co2e * {slack!r}" for low, high in ((10, 25), (25, 50), (50, 75), (75, 90)))
    condition = (
        f"({ordered} and enterprise_count between 1 and disclosure_count"
        f" and coalesce(verified_share, 0) between 0 and {slack!r} and coalesce(primary_data_share, 0) between 0 and {slack!r}"
        " and coalesce(stddev_kg_co2e, 0) >= 0) is not true"
    )
    shown = f"{_CELL_SHOWN} || ' ' || cell.province_code"
    return Check(
        "statistics_ordered",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        " from marts.footprint__sectors_by_year as cell",
    )


def _check_tiers() -> Check:
    """Per cell: as many tier rows as disclosures; with a benchmark all of them have a tier of 1 to 4, without one none has."""
    rows = (
        f"select {_CELL_LIST}, count(*) as total,"
        " count(*) filter (where tier between 1 and 4 and percentile_rank between 0 and 1) as tiered,"
        " count(*) filter (where tier is null) as untiered,"
        " count(*) filter (where (tier_basis = 'percentiles') = (tier is not null)) as consistent"
        f" from marts.footprint__product_tiers group by {_CELL_LIST}"
    )
    condition = (
        "(cell.disclosure_count = tiers.total and tiers.consistent = tiers.total"
        " and case when cell.tier_basis = 'percentiles' then tiers.tiered else tiers.untiered end = tiers.total) is not true"
    )
    shown = (
        f"{_CELL_SHOWN} || ': ' || cell.disclosure_count || ' disclosures, ' || coalesce(tiers.total, 0) || ' tier rows, '"
        " || coalesce(tiers.tiered, 0) || ' with a tier'"
    )
    return Check(
        "tiers_complete",
        "select count(*) as examined, count(*) filter (where broken) as broken, "
        + list_examples("shown", "broken")
        + f" as evidence from (select {condition} as broken, coalesce({shown}, 'tiers without a benchmark row') as shown"
        f" from marts.footprint__benchmarks_by_year as cell full join ({rows}) as tiers using ({_CELL_LIST}))",
    )


def _check_benchmarks(limits: Limits) -> Check:
    slack = 1 + limits.value("statistics_ordered", "relative_tolerance")
    condition = (
        "(benchmark.disclosure_count = cell.disclosure_count and benchmark.enterprise_count = cell.enterprise_count"
        " and case when benchmark.tier_basis = 'percentiles'"
        f" then benchmark.p20_kg_co2e <= benchmark.p50_kg_co2e * {slack!r} and benchmark.p50_kg_co2e <= benchmark.p80_kg_co2e * {slack!r}"
        " else coalesce(benchmark.p20_kg_co2e, benchmark.p50_kg_co2e, benchmark.p80_kg_co2e) is null end) is not true"
    )
    return Check(
        "benchmarks_match_cells",
        "select count(*) as examined, count(*) filter (where broken) as broken, "
        + list_examples("shown", "broken")
        + f" as evidence from (select {condition} as broken, coalesce({_CELL_SHOWN}, 'a benchmark without a country cell') as shown"
        f" from (select * from marts.footprint__sectors_by_year where province_code = '{_COUNTRY}') as cell"
        f" full join marts.footprint__benchmarks_by_year as benchmark using ({_CELL_LIST}))",
    )


def _check_lineage(columns: Mapping[str, Mapping[str, str]]) -> Check:
    """Every mart that names disclosures, found by its column, so that a later mart is held to it as well."""
    marts = sorted(view for view, names in columns.items() if view.startswith("marts.footprint__") and "disclosure_id" in names)
    rows = " union all ".join(f"select '{mart}' as mart, disclosure_id from {mart}" for mart in marts)
    landed = "select distinct disclosure_id from landing.product_footprint where _delivery_id is not null"
    condition = "landed.disclosure_id is null"
    shown = "published.mart || ': ' || coalesce(published.disclosure_id, 'null')"
    return Check(
        "only_landed_rows",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from ({rows}) as published left join ({landed}) as landed on published.disclosure_id = landed.disclosure_id",
    )


def _check_share(code: str, limits: Limits, part: str, whole: str, source: str) -> Check:
    share = limits.value(code, "share")
    return Check(
        code,
        f"select whole as examined, case when (part >= {share!r} * whole) is not true then coalesce(whole - part, 1) else 0 end as broken,"
        f" part || ' of ' || whole || ', expected at least {share:.0%}' as evidence"
        f" from (select {part} as part, {whole} as whole from {source})",
    )


def _check_lost(limits: Limits) -> Check:
    share = limits.value("disclosures_lost", "share")
    return Check(
        "disclosures_lost",
        f"select total as examined, case when (lost <= {share!r} * total) is not true then lost else 0 end as broken,"
        " lost || ' of ' || total || ' disclosures of the last release are gone' as evidence"
        " from (select count(*) as total, count(*) filter (where now.disclosure_id is null) as lost"
        " from previous.footprint__products as before left join marts.footprint__products as now"
        " on before.disclosure_id = now.disclosure_id)",
        needs={"previous.footprint__products": ("disclosure_id",)},
    )


def _check_moves(limits: Limits) -> Check:
    share = limits.value("sector_mean_moved", "share")

    def list_cells(schema: str) -> str:
        members = (
            f"select {_CELL_LIST}, string_agg(disclosure_id || '/' || revision, ' ' order by disclosure_id) as members"
            f" from {schema}.footprint__products group by {_CELL_LIST}"
        )
        return (
            f"select cell.*, members from {schema}.footprint__sectors_by_year as cell join ({members}) as listed using ({_CELL_LIST})"
            f" where province_code = '{_COUNTRY}' and weighted_mean_kg_co2e is not null"
        )

    condition = f"(abs(cell.weighted_mean_kg_co2e / nullif(before.weighted_mean_kg_co2e, 0) - 1) <= {share!r}) is not true"
    shown = f"{_CELL_SHOWN} || ': ' || round(before.weighted_mean_kg_co2e, 6) || ' -> ' || round(cell.weighted_mean_kg_co2e, 6)"
    return Check(
        "sector_mean_moved",
        f"select count(*) as examined, count(*) filter (where {condition}) as broken, {list_examples(shown, condition)} as evidence"
        f" from ({list_cells('marts')}) as cell join ({list_cells('previous')}) as before using ({_CELL_LIST}, members)",
        may_be_empty=True,  # every cell may have got new disclosures
        needs={
            "previous.footprint__products": (*_CELL, "disclosure_id", "revision"),
            "previous.footprint__sectors_by_year": (*_CELL, "province_code", "weighted_mean_kg_co2e"),
        },
    )


def _check_labels() -> Check:
    """Every label came with a delivery, and none is shown as valid on another's word: a release may well hold none."""
    return replace(
        count_broken(
            "labels_landed",
            "landed.certificate_no is null or (mart.is_label_valid and mart.state <> 'valid')",
            "mart.certificate_no || ': ' || mart.state",
            "marts.footprint__labelled_products as mart left join (select distinct certificate_no from landing.label_certificate) as landed"
            " on mart.certificate_no = landed.certificate_no",
        ),
        may_be_empty=True,
    )


def list_checks(limits: Limits, columns: Mapping[str, Mapping[str, str]]) -> list[Check]:
    status = "count(*) filter (where recalculation_status in ('complete', 'partial') and recalculated_kg_co2e is not null)"
    return [
        check_filled(),
        check_keys(_KEYS),
        check_finite((*MARTS, *composition.MARTS), columns),
        check_present(_FIGURES),
        _check_in_force(),
        _check_conversion(limits),
        _check_provinces(limits),
        _check_products(limits),
        _check_change(limits),
        _check_order(limits),
        _check_tiers(),
        _check_benchmarks(limits),
        *list_disclosure_checks(),
        *composition.list_composition_checks(limits),
        _check_lineage(columns),
        _check_share("recalculated_share", limits, status, "count(*)", "marts.footprint__products"),
        _check_share("priced_lines_share", limits, "sum(priced_line_count)", "sum(line_count)", "marts.footprint__products"),
        _check_lost(limits),
        _check_moves(limits),
        _check_labels(),
        check_emptied(MARTS, columns, limits),
    ]
