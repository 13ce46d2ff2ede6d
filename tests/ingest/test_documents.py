"""JSON documents as rows: every field to its column, chains over deliveries, withdrawal, versions, and the published payloads themselves."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.gate import Candidate, Gatekeeper
from ingest.contract import Contract
from ingest.documents import KINDS, catena_x, pact, read_documents
from ingest.documents.record import enterprise_of, find, last_day
from ingest.documents.resolution import Chains, place_documents
from ingest.faults import FileRefused
from ingest.reference import ReferenceLists

SOURCE = "product_footprint"
Shelf = Any
MakeShelf = Callable[..., Shelf]


def uid(number: int) -> str:
    return f"5a4e0000-0000-4000-8000-{number:012d}"


def footprint(number: int, preceding: list[int] | None = None, **over: Any) -> dict[str, Any]:
    """A PACT 3.0 document of an invented company, less what no column is made of."""
    body = {
        "declaredUnitOfMeasurement": "kilogram", "declaredUnitAmount": "12.5", "pcfExcludingBiogenicUptake": "2.1",
        "referencePeriodStart": "2024-01-01T00:00:00Z", "referencePeriodEnd": "2025-01-01T00:00:00Z", "ipccCharacterizationFactors": ["AR6"],
    }  # fmt: skip
    document = {
        "id": uid(number), "specVersion": "3.0.0", "created": "2025-03-01T10:00:00Z", "status": "Active", "companyName": "合成示范公司",
        "companyIds": ["urn:pact:company:uscc:91110000MA0000001L"], "productIds": ["urn:tanlian:product:steel-bf"],
        "productNameCompany": "合成钢", "pcf": body | over.pop("pcf", {}),
    }  # fmt: skip
    return document | ({"precedingPfIds": [uid(past) for past in preceding]} if preceding else {}) | over


def deliver(shelf: Shelf, *documents: dict[str, Any]) -> Any:
    return shelf.deliver(SOURCE, json.dumps({"data": list(documents)}).encode())


def landed(prepared: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pq.read_table(prepared.landing, columns=list(columns)).to_pylist()]


def keys(prepared: Any) -> list[tuple[str, int]]:
    return [(str(disclosure)[-2:], revision) for disclosure, revision in landed(prepared, "disclosure_id", "revision")]


def fixture_rows(shelf: Shelf, contracts: dict[str, Contract], name: str) -> list[dict[str, Any]]:
    prepared = shelf.deliver(SOURCE, contracts[SOURCE].folder / "fixtures" / "good" / name)
    rows: list[dict[str, Any]] = pq.read_table(prepared.landing).to_pylist()
    return rows


# Fields


def test_version_three_gives_every_column_its_figure(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    steel, aluminium, wind, tyre, plywood = fixture_rows(shelf, contracts, "pact_v3_list.json")
    assert (steel["enterprise_id"], steel["product_code"], steel["declared_unit"], steel["total_kg_co2e"]) == (
        "91110000MA0000001L",
        "STEEL-BF",
        "kg",
        2.1,
    )
    assert (steel["boundary"], steel["gwp_set"], steel["primary_data_share"], steel["data_quality_rating"]) == (
        "cradle_to_gate",
        "AR6",
        0.5612,
        2.0,
    )
    assert (str(steel["period_start"]), str(steel["period_end"])) == ("2024-01-01", "2024-12-31")
    assert str(steel["submitted_at"]) == "2025-03-01 02:00:00"
    assert steel["removals_kg_co2e"] is steel["verified_on"] is steel["output_quantity"] is steel["raw_material_kg_co2e"] is None
    assert steel["is_withdrawn"] is False and steel["revision"] == 1
    assert aluminium["enterprise_id"] == "91310000MA00000038"
    assert (wind["declared_unit"], wind["total_kg_co2e"], wind["removals_kg_co2e"]) == ("GJ", 3.25, 0.0005)
    assert (tyre["enterprise_id"], tyre["product_code"], tyre["declared_unit"]) == ("duns:150483782", "TYRE", "piece")
    assert (plywood["enterprise_id"], plywood["removals_kg_co2e"]) == ("name:合成胶合板示范公司", 812.25)
    assert (plywood["verifier_name"], str(plywood["verified_on"])) == ("合成核查示范中心", "2025-02-20")


def test_version_two_names_its_fields_otherwise(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    assured, unassured = fixture_rows(shelf, contracts, "pact_v2_array.json")
    assert (assured["enterprise_id"], assured["product_code"]) == ("91120000MA0000002U", "CEMENT")
    assert (assured["total_kg_co2e"], assured["removals_kg_co2e"], assured["primary_data_share"]) == (0.69, 0.04, 0.5612)
    assert assured["data_quality_rating"] is None, "the five ratings of version 2 have another scale"
    assert str(assured["submitted_at"]) == "2025-03-05 08:30:00.123456", "updated goes before created"
    assert (assured["verifier_name"], str(assured["verified_on"]), assured["gwp_set"]) == ("合成核查示范中心", "2025-02-15", "AR6")
    assert (unassured["verifier_name"], unassured["verified_on"], unassured["gwp_set"]) == (None, None, "AR5")


def test_everything_a_document_says_stays_beside_its_row_as_it_was_written(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    path = contracts[SOURCE].folder / "fixtures" / "good" / "pact_v3_list.json"
    delivered = json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)["data"]
    extras = [json.loads(row["_extra"]) for row in fixture_rows(shelf, contracts, path.name)]
    assert [json.loads(extra["document"], parse_float=str, parse_int=str) for extra in extras] == delivered
    assert [extra["document_id"] for extra in extras] == [document["id"] for document in delivered]


def test_an_epd_sums_its_modules_once_and_sets_a_net_uptake_aside(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    apart, together, grave = fixture_rows(shelf, contracts, "ilcd_epd.json")
    assert (apart["total_kg_co2e"], apart["raw_material_kg_co2e"], apart["production_kg_co2e"]) == (12.2505, 9.2505, 3.0)
    assert (apart["boundary"], apart["declared_unit"], apart["gwp_set"], apart["removals_kg_co2e"]) == ("cradle_to_gate", "kg", "AR5", 0)
    assert (together["total_kg_co2e"], together["removals_kg_co2e"], together["raw_material_kg_co2e"]) == (12.75, 0.5, None)
    assert (grave["boundary"], grave["total_kg_co2e"], grave["gwp_set"], grave["declared_unit"]) == ("cradle_to_grave", 913.0, "AR4", "t")
    assert (apart["revision"], apart["enterprise_id"], apart["standard_code"]) == (
        1001,
        "name:Invented Metals Demonstration Ltd",
        "EN 15804+A2",
    )
    assert (str(apart["period_start"]), str(apart["period_end"]), str(apart["submitted_at"])) == (
        "2024-01-01",
        "2024-09-27",
        "2024-09-27 00:00:00",
    )


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        (["urn:lei:5493001KJTIIGC8Y1R12", "urn:x:91110000ma0000001l"], "91110000MA0000001L"),
        (["urn:x:91110000MA0000002L", "urn:duns:150483782", "urn:lei:5493001KJTIIGC8Y1R12"], "duns:150483782"),
        (["urn:lei:5493001KJTIIGC8Y1R13", "urn:company:150483782"], "name:合成公司"),
        ([], "name:合成公司"),
        (None, "name:合成公司"),
        ([{"companyId": "urn:pact:company:lei:5493001KJTIIGC8Y1R12"}], "lei:5493001KJTIIGC8Y1R12"),
    ],
)
def test_an_enterprise_is_its_credit_code_else_an_identifier_abroad_else_its_name(identifiers: Any, expected: str) -> None:
    assert enterprise_of(identifiers, " 合成公司 ") == expected


def test_real_credit_codes_are_found_in_any_urn(shared_data: Path) -> None:
    with (shared_data / "uscc-vectors" / "valid_uscc.csv").open(encoding="utf-8", newline="") as file:
        codes = [row["uscc"] for row in csv.DictReader(file)]
    assert len(codes) == 100
    assert [enterprise_of([f"urn:pact:company:customcode:buyer:{code}"], "x") for code in codes] == codes


@pytest.mark.parametrize(
    ("end", "day"),
    [
        ("2025-01-01T00:00:00Z", "2024-12-31"), ("2025-01-01T00:00:00+08:00", "2024-12-31"), ("2024-12-31T23:59:59Z", "2024-12-31"),
        ("2025-01-01T00:00:00.0000001Z", "2024-12-31"), ("2025-01-01", "2024-12-31"), ("2024-03-01T00:00:00Z", "2024-02-29"),
        ("2025-02-30T00:00:00Z", "< 2025-02-30T00:00:00Z"), ("", ""),
    ],
)  # fmt: skip
def test_the_end_of_a_period_is_exclusive(end: str, day: str) -> None:
    assert last_day(end) == day


# Forms of a file


@pytest.mark.parametrize(
    "form",
    [
        lambda documents: json.dumps({"data": documents}), lambda documents: json.dumps(documents, indent=2),
        lambda documents: "\ufeff" + json.dumps({"data": documents}, ensure_ascii=False), lambda documents: "\n".join(map(json.dumps, documents)),
        lambda documents: "\r\n".join(map(json.dumps, documents)) + "\r\n",
    ],
)  # fmt: skip
def test_documents_come_in_several_forms_and_say_the_same(make_shelf: MakeShelf, form: Callable[[list[Any]], str]) -> None:
    documents = [footprint(1), footprint(2, [1]), footprint(3)]
    prepared = make_shelf().deliver(SOURCE, form(documents).encode())
    assert prepared.counts["accepted"] == prepared.counts["received"] == 3
    assert keys(prepared) == [("01", 1), ("01", 2), ("03", 1)]


def test_one_document_comes_bare_or_as_the_answer_to_a_question_for_it(make_shelf: MakeShelf) -> None:
    for value in (footprint(1), {"data": footprint(1)}, [footprint(1)]):
        assert keys(make_shelf().deliver(SOURCE, json.dumps(value).encode())) == [("01", 1)]


def test_flat_objects_of_the_contract_are_no_documents(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    with (contracts[SOURCE].folder / "fixtures" / "good" / "own_form.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for count in (len(rows), 1):
        data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows[:count]).encode()
        assert shelf.deliver(SOURCE, data).counts["received"] == count


@pytest.mark.parametrize("version", ["1.0.0", "2.4.0", "3.1.0", "4.0.0", "3.0", "3", "", None, 3, "v3.0.0", "3.0.0-beta"])
def test_an_unknown_version_is_refused_whole_whatever_stands_beside_it(shelf: Shelf, version: Any) -> None:
    with pytest.raises(FileRefused) as refused:
        deliver(shelf, footprint(1), footprint(2, specVersion=version))
    assert refused.value.code == "unreadable"
    assert "3.0" in refused.value.message.en and "3.0" in refused.value.message.zh


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0", "2.2.0", "2.3.3", "2.0.1-20230522"])
def test_versions_of_the_second_generation_are_read(version: str) -> None:
    table = read_documents(json.dumps(footprint(1, specVersion=version)).encode(), ("pact",))
    assert table is not None and "pact 2." in table.columns[table.headers.index("document_kind")].to_pylist()[0]


def test_what_a_sender_left_out_is_named_by_its_path(shelf: Shelf) -> None:
    document = footprint(5)
    del document["pcf"]["pcfExcludingBiogenicUptake"]
    prepared = deliver(shelf, *(footprint(number) for number in range(5)), document)
    (fault,) = prepared.faults
    assert (fault["code"], fault["column_name"], fault["value"]) == ("required", "total_kg_co2e", "pcf.pcfExcludingBiogenicUptake")
    assert "pcf.pcfExcludingBiogenicUptake (1)" in prepared.notes["fields_missing"]
    assert "pcf.fossilGhgEmissions (6)" in prepared.notes["fields_missing"], "what no column needs is told, and refuses nothing"


# Chains


def test_a_chain_is_one_disclosure_whether_it_names_all_its_past_or_the_last_version_only(make_shelf: MakeShelf) -> None:
    for full in (True, False):
        chain = [footprint(1), footprint(2, [1]), footprint(3, [1, 2] if full else [2]), footprint(4, [3, 1, 2] if full else [3])]
        assert keys(deliver(make_shelf(), *chain)) == [("01", 1), ("01", 2), ("01", 3), ("01", 4)]
        assert keys(deliver(make_shelf(), *reversed(chain))) == [("01", 4), ("01", 3), ("01", 2), ("01", 1)]
        shelf = make_shelf()
        assert [keys(deliver(shelf, document))[0] for document in chain] == [("01", 1), ("01", 2), ("01", 3), ("01", 4)]


def test_a_chain_whose_root_nobody_has_seen_keeps_the_place_it_landed_in(shelf: Shelf) -> None:
    assert keys(deliver(shelf, footprint(3, [1, 2]))) == [("01", 3)]
    assert keys(deliver(shelf, footprint(2, [1]))) == [("01", 2)]
    assert keys(deliver(shelf, footprint(4, [3]))) == [("01", 4)]
    assert keys(deliver(shelf, footprint(1))) == [("01", 1)]


def test_a_past_version_nobody_has_seen_belongs_to_the_chain_that_names_it(shelf: Shelf) -> None:
    assert keys(deliver(shelf, footprint(3, [1, 2]))) == [("01", 3)]
    assert keys(deliver(shelf, footprint(4, [2]))) == [("01", 2)], "else one product would be two disclosures"


@settings(max_examples=150, deadline=None)
@given(length=st.integers(2, 7), seed=st.randoms(use_true_random=False), shuffled=st.booleans())
def test_a_chain_that_names_its_past_is_one_disclosure_in_any_order_of_arrival(length: int, seed: random.Random, shuffled: bool) -> None:
    """Each version arrives in a file of its own or with others; places never move, never meet, and keep the order of the versions."""
    versions = list(range(length))
    seed.shuffle(versions)
    cuts = sorted(seed.sample(range(1, length), seed.randint(0, length - 1)))
    chains = Chains()
    for start, end in zip([0, *cuts], [*cuts, length], strict=True):
        preceding = {str(version): [str(past) for past in range(version)] for version in versions[start:end]}
        for pasts in preceding.values():
            if shuffled:
                seed.shuffle(pasts)
        for identifier, found in place_documents(preceding, chains).items():
            assert isinstance(found, tuple), found
            chains.landed[identifier] = found
            for past in preceding[identifier]:
                chains.named[past].add(found)
    assert len({disclosure for disclosure, _ in chains.landed.values()}) == 1
    assert [chains.landed[str(version)][1] for version in range(length)] == list(range(1, length + 1))


def test_what_is_no_chain_is_refused_with_all_that_stands_on_it(shelf: Shelf) -> None:
    sound = [footprint(number) for number in range(40, 60)]
    ring = deliver(shelf, *sound, footprint(1, [2]), footprint(2, [1]), footprint(3, [2]), footprint(9, [9]))
    assert ring.fault_counts == {"chain_broken": 3}
    assert keys(ring)[-1] == ("09", 1), "a document that names itself as its past says nothing by it"
    joined = deliver(shelf, *sound[:1], footprint(60, [40, 41]), footprint(61, [60]), *(footprint(number) for number in range(70, 80)))
    assert joined.fault_counts == {"chain_broken": 2}
    assert joined.counts["received"] == sum(joined.counts[verdict] for verdict in ("accepted", "duplicate", "quarantined"))


def test_a_version_older_than_the_first_place_is_refused_and_the_newest_stays(shelf: Shelf) -> None:
    assert keys(deliver(shelf, footprint(3, [2]))) == [("02", 2)]
    late = deliver(shelf, footprint(2, [1]))
    assert late.fault_counts == {"chain_broken": 1}


def test_two_successors_of_one_version_cannot_both_hold(shelf: Shelf) -> None:
    deliver(shelf, footprint(1), footprint(2, [1]))
    assert deliver(shelf, footprint(3, [1], pcf={"pcfExcludingBiogenicUptake": "2.2"})).fault_counts == {"key_conflict": 1}


def test_a_disclosure_that_came_in_the_contracts_own_form_goes_on_as_a_chain(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    shelf.deliver(SOURCE, contracts[SOURCE].folder / "fixtures" / "good" / "own_form.csv")
    prepared = deliver(shelf, footprint(1, precedingPfIds=["SYN-PCF-002"]))
    assert landed(prepared, "disclosure_id", "revision") == [("SYN-PCF-002", 3)]


# Withdrawal


def test_a_withdrawal_is_no_conflict_and_nothing_else_may_change(shelf: Shelf) -> None:
    deliver(shelf, footprint(1), footprint(2))
    withdrawn = deliver(shelf, footprint(1, status="Deprecated", pcf={"pcfExcludingBiogenicUptake": "9.9"}))
    assert landed(withdrawn, "disclosure_id", "revision", "is_withdrawn") == [(uid(1), 1, True)]
    again = deliver(shelf, footprint(1, status="Deprecated", pcf={"pcfExcludingBiogenicUptake": "9.9"}))
    assert again.counts["duplicate"] == 1
    assert deliver(shelf, footprint(1)).counts["duplicate"] == 1, "what was said before the withdrawal is known"
    changed = deliver(shelf, footprint(2, pcf={"pcfExcludingBiogenicUptake": "9.9"}))
    assert changed.fault_counts == {"key_conflict": 1}


def test_a_withdrawal_may_come_before_what_it_withdraws(shelf: Shelf) -> None:
    assert deliver(shelf, footprint(1, status="Deprecated")).counts["accepted"] == 1
    assert deliver(shelf, footprint(1)).counts["accepted"] == 1
    assert deliver(shelf, footprint(1, pcf={"pcfExcludingBiogenicUptake": "9.9"})).fault_counts == {"key_conflict": 1}


def test_the_landing_gate_lets_a_withdrawal_stand_beside_what_it_withdraws(shelf: Shelf, contracts: dict[str, Contract]) -> None:
    path = contracts[SOURCE].folder / "fixtures" / "good" / "pact_deprecated.json"
    prepared = shelf.deliver(SOURCE, path)
    result = Gatekeeper(docs=None).judge_delivery(
        Candidate(contracts[SOURCE], "f" * 64, path.name, prepared.landing, prepared.verdicts, prepared.counts, None)
    )
    assert [failure.check for failure in result.failures if failure.check == "key_unique"] == []
    assert len({row for row in keys(prepared)}) < prepared.counts["accepted"], "or there was nothing to let stand"


def test_withdrawn_disclosures_are_nobodys_peers_and_may_be_unlikely(shelf: Shelf) -> None:
    deliver(shelf, *(footprint(number) for number in range(1, 21)))
    far = {"pcfExcludingBiogenicUptake": "2100"}
    assert deliver(shelf, footprint(30, pcf=far)).fault_counts == {"outlier": 1}
    assert deliver(shelf, footprint(30, pcf=far, status="Deprecated")).counts["accepted"] == 1
    deliver(shelf, footprint(20, status="Deprecated"))
    assert deliver(shelf, footprint(31, pcf=far)).counts["accepted"] == 1, "nineteen in force are no quorum"


# Products


def test_a_product_is_what_its_first_known_identifier_stands_for(shelf: Shelf) -> None:
    classified = footprint(1, productIds=["urn:gtin:1"], productClassifications=["URN:pact:productclassification:UN-CPC:37440"])
    both = footprint(
        2, productIds=["urn:gtin:1", "urn:tanlian:product:urea"], productClassifications=["urn:pact:productclassification:un-cpc:37440"]
    )
    unknown = footprint(3, productIds=["urn:gtin:1", "urn:gtin:2"], productCategoryCpc="37440")
    prepared = deliver(shelf, classified, both, unknown, *(footprint(number) for number in range(10, 16)))
    assert landed(prepared, "product_code")[:2] == [("CEMENT",), ("UREA",)]
    (fault,) = prepared.faults
    assert (fault["code"], fault["value"]) == ("product_unknown", "urn:gtin:1 urn:gtin:2")


# What is published


def _schema(shared_data: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((shared_data / "pact-pcf-schema" / name).read_bytes(), Loader=yaml.CSafeLoader)["components"][
        "schemas"
    ]
    return document


@pytest.mark.parametrize(("name", "version"), [("openapi_v2_3.yaml", "2.3"), ("openapi_v3_0.yaml", "3.0")])
def test_field_names_and_requirements_are_those_of_the_published_interface(shared_data: Path, name: str, version: str) -> None:
    schemas = _schema(shared_data, name)
    required = [*schemas["ProductFootprint"]["required"], *(f"pcf.{field}" for field in schemas["CarbonFootprint"]["required"])]
    assert sorted(pact.KIND.required(version)) == sorted(required)
    known = {*schemas["ProductFootprint"]["properties"], *(f"pcf.{field}" for field in schemas["CarbonFootprint"]["properties"])}
    names = pact.VERSIONS[version]
    used = {names.unit, names.total, names.uptake, *names.gwp_sets, names.period_start, names.period_end, names.product_name, names.status}
    used |= {
        *names.submitted,
        names.classifications,
        names.verification,
        "pcf.primaryDataShare",
        "precedingPfIds",
        "companyIds",
        "companyName",
    }
    assert used - known == set()
    ratings = schemas["DataQualityIndicators"]["properties"]
    assert {path.removeprefix("pcf.dqi.") for path in names.ratings} - set(ratings) == set()


def test_catena_x_requirements_are_those_of_its_schema(shared_data: Path) -> None:
    document = json.loads((shared_data / "catena-x-pcf" / "Pcf_7.0.0_schema.json").read_text(encoding="utf-8"))
    body = document["components"]["schemas"]["PcfEntity"]
    mine = set(catena_x.KIND.required("7.0.0"))
    assert mine - {*document["required"], *(f"pcf.{field}" for field in body["required"])} == set()
    assert set(document["required"]) - mine == set()
    assert find(catena_x.LATER.__dict__, "boundary") in document["properties"]


CATENA_X = {
    "2.0.0": {"product_unknown", "required"}, "3.0.0": {"product_unknown", "required"}, "4.0.0": {"product_unknown", "period_future"},
    "4.0.1": {"product_unknown", "period_future"}, "5.0.0": {"product_unknown", "period_future"},
    "6.0.0": {"product_unknown", "period_future"}, "7.0.0": {"product_unknown", "period_future"},
}  # fmt: skip


@pytest.fixture(scope="module")
def wider_aliases(tmp_path_factory: pytest.TempPathFactory) -> ReferenceLists:
    """The project's lists, with the identifiers of the published samples in the alias list: what a deployment would do for its senders."""
    folder = tmp_path_factory.mktemp("reference")
    given = ReferenceLists().files["product_alias"].read_text(encoding="utf-8")
    samples = {
        "urn:gtin:4712345060507": "NATURAL-GAS", "ftp://ftp.is.co.za/rfc/rfc1808.txt": "NATURAL-GAS", "http://www.wikipedia.org": "NATURAL-GAS",
        "urn:ilcd:classification:oekobau.dat:4.3.02": "ALUMINIUM", "urn:ilcd:classification:oekobau.dat:1.3.07": "WOOD-FLOORING",
        "urn:ilcd:classification:oekobau.dat:1.1.01": "CEMENT",
    }  # fmt: skip
    (folder / "product_alias.csv").write_text(
        given + "".join(f"{urn},{code},test,assumed\n" for urn, code in samples.items()), encoding="utf-8"
    )
    return ReferenceLists(overlay=folder)


@pytest.mark.parametrize("version", CATENA_X)
def test_published_catena_x_samples_are_refused_for_what_they_say(
    shelf: Shelf, make_shelf: MakeShelf, wider_aliases: ReferenceLists, shared_data: Path, version: str
) -> None:
    """The samples report in May 2022 on all of 2022, or name no GWP set; once their product is known that is all that is left."""
    path = shared_data / "catena-x-pcf" / f"Pcf_{version}.json"
    prepared = shelf.deliver(SOURCE, path)
    assert set(prepared.fault_counts) == CATENA_X[version]
    assert prepared.counts["received"] == prepared.counts["quarantined"] == 1
    wider = make_shelf()
    wider.reference = wider_aliases
    assert set(wider.deliver(SOURCE, path).fault_counts) == CATENA_X[version] - {"product_unknown"}
    late = json.loads(path.read_text(encoding="utf-8")) | {"created": "2023-01-31T00:00:00Z"}
    if version >= "4":
        assert wider.deliver(SOURCE, json.dumps(late).encode()).counts["accepted"] == 1


def test_real_declarations_land_once_their_product_is_known(
    shelf: Shelf, make_shelf: MakeShelf, wider_aliases: ReferenceLists, shared_data: Path
) -> None:
    paths = sorted((shared_data / "epd-ilcd").glob("*.json"))
    assert len(paths) == 4
    assert [shelf.deliver(SOURCE, path).fault_counts for path in paths] == [{"product_unknown": 1}] * 4
    wider = make_shelf()
    wider.reference = wider_aliases
    prepared = [wider.deliver(SOURCE, path) for path in paths]
    assert [each.fault_counts for each in prepared] == [{"product_unknown": 1}, {}, {}, {"unit_dimension": 1}]
    rows = [landed(each, "total_kg_co2e", "declared_unit", "gwp_set", "enterprise_id", "product_name")[0] for each in prepared[1:3]]
    assert rows == [
        (1.93153238620983, "kg", "AR5", "name:Höfer Metall Technik GmbH & Co KG", "Aluminum profile, mill finish"),
        (43.4, "m2", "AR4", "name:Wienerberger GmbH", "Argeton"),
    ]
    table = read_documents(paths[0].read_bytes(), tuple(KINDS))
    assert table is not None
    concrete = {header: column.to_pylist()[0] for header, column in zip(table.headers, table.columns, strict=True)}
    assert (concrete["total_kg_co2e"], concrete["declared_unit"]) == ("268.594529005012", "m3"), "A1 + A2 + A3, once"
