"""The reading interface: a key reads its own reader's file and nothing else; a new release is seen at once; PACT's lists are PACT's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml

from warehouse.interface.app import make_app
from warehouse.interface.keys import TOKEN_SECONDS, Doorkeeper, Pace, TokenExpired, add_key, read_keys
from warehouse.reading.files import parse_reader
from warehouse.settings import Settings, SettingsError

pytestmark = pytest.mark.xdist_group("release")
CODES = ("enterprise_id", "borrower_id", "owner_id", "bank_id", "disclosure_id")


def ask(exchanged: Any, path: str, reader: str = "ministry", **headers: str) -> Any:
    return exchanged.client.get(path, headers={"X-API-Key": exchanged.keys[reader]} | headers)


def schema_of(shared: Path, version: str) -> dict[str, Any]:
    """ProductFootprint of the published OpenAPI, with its references inside."""
    document = yaml.safe_load((shared / "data/pact-pcf-schema" / f"openapi_v{version}.yaml").read_text(encoding="utf-8"))
    return {"$ref": "#/components/schemas/ProductFootprint", "components": document["components"]}


def test_key_opens_its_own_readers_file_row_for_row(exchanged: Any) -> None:
    """Every endpoint × every key: what comes back is the reader's file, to the row, and never more."""
    folder = (exchanged.settings.releases / "current").resolve()
    probes = 0
    for reader, entry in [
        (entry["name"], entry) for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["audiences"]
    ]:
        with duckdb.connect(str(folder / entry["file"]), read_only=True) as con:
            release = ask(exchanged, "/v1/release", reader).json()
            assert (release["reader"], release["release_id"]) == (reader, folder.name)
            described = {mart["mart"]: mart["row_count"] for mart in ask(exchanged, "/v1/marts", reader).json()}
            assert described == {mart: found["row_count"] for mart, found in entry["marts"].items()}
            for mart, count in described.items():
                page = ask(exchanged, f"/v1/marts/{mart}?limit=5000", reader).json()
                own = {c for c in CODES if page["rows"] and c in page["rows"][0]}
                for code in own:
                    held = {row[0] for row in con.execute(f'select "{code}" from marts."{mart}"').fetchall()}
                    assert {row[code] for row in page["rows"]} <= held
                assert page["row_count"] == count
                probes += 2
            probes += 2
    assert probes > 100


def test_key_of_one_reader_never_reads_anothers_mart_or_rows(exchanged: Any) -> None:
    """All endpoints × keys, asked for what others hold: not there, or empty, and the same words as for what is nowhere."""
    folder = (exchanged.settings.releases / "current").resolve()
    marts = {reader: {mart["mart"] for mart in ask(exchanged, "/v1/marts", reader).json()} for reader in exchanged.keys}
    everything = marts["ministry"]
    nowhere = ask(exchanged, "/v1/marts/no_such_mart", "public").text
    with duckdb.connect(str(folder / "ministry.duckdb"), read_only=True) as con:
        banks = [row[0] for row in con.execute("select distinct bank_id from marts.finance__portfolios").fetchall()]
        documents = [
            json.loads(row[0])["id"]
            for row in con.execute(
                "select exchange_document from marts.footprint__labelled_products where exchange_document is not null"
            ).fetchall()
        ]
    probes = 0
    for reader in exchanged.keys:
        for mart in everything - marts[reader]:
            answer = ask(exchanged, f"/v1/marts/{mart}", reader)
            assert (answer.status_code, answer.text) == (404, nowhere), (reader, mart)
            probes += 1
        if "finance__portfolios" in marts[reader] and reader.startswith("bank_"):
            for bank in banks:
                rows = ask(exchanged, f"/v1/marts/finance__portfolios?bank_id={bank}", reader).json()["rows"]
                assert bool(rows) == (reader == f"bank_{bank}"), (reader, bank)
                probes += 1
        for identifier in documents:
            shown = ask(exchanged, f"/3/footprints/{identifier}", reader).status_code
            listed = [document["id"] for document in ask(exchanged, "/3/footprints?limit=1000", reader).json()["data"]]
            assert (shown == 200) == (identifier in listed)
            assert shown == 404 or reader == "ministry" or reader.startswith(("region_", "bank_", "enterprise_"))
            probes += 2
    assert probes > 150


def test_nothing_is_answered_without_a_key(exchanged: Any) -> None:
    paths = (
        "/v1/release",
        "/v1/marts",
        "/v1/marts/footprint__products",
        "/2/footprints",
        "/3/footprints",
        f"/3/footprints/{'0' * 8}-0000-0000-0000-{'0' * 12}",
    )
    for path in paths:
        for headers in ({}, {"X-API-Key": "x"}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
            answer = exchanged.client.get(path, headers=headers)
            assert answer.status_code == 401 and answer.json()["code"] == "AccessDenied", path
            assert "WWW-Authenticate" in answer.headers
    assert exchanged.client.post("/3/events", headers={}).status_code == 401


def test_new_release_is_seen_without_restart_and_changes_the_tag(exchanged: Any) -> None:
    before, after = exchanged.second["/v1/release"], ask(exchanged, "/v1/release")
    current = (exchanged.settings.releases / "current").resolve().name
    assert before.json()["release_id"] != after.json()["release_id"] == current
    assert exchanged.second["/3/footprints"].json() == {"data": []}
    path = "/v1/marts/footprint__products?limit=1"
    old, new = exchanged.second[path].headers["etag"], ask(exchanged, path).headers["etag"]
    assert old != new
    assert ask(exchanged, path, **{"If-None-Match": old}).status_code == 200
    again = ask(exchanged, path, **{"If-None-Match": new})
    assert (again.status_code, again.content) == (304, b"")
    other = next(name for name in exchanged.keys if name.startswith("bank_"))
    assert ask(exchanged, path, other).headers["etag"] != new


def test_pages_hold_every_row_once(exchanged: Any) -> None:
    path, rows = "/v1/marts/ets__prices_by_day?limit=300&market=CN-ETS", []
    while path:
        answer = ask(exchanged, path, "public")
        rows += answer.json()["rows"]
        path = answer.links.get("next", {}).get("url", "").removeprefix("http://127.0.0.1")
    assert len(rows) == answer.json()["row_count"] > 300
    assert len({json.dumps(row, sort_keys=True) for row in rows}) == len(rows)
    assert ask(exchanged, "/v1/marts/ets__prices_by_day?limit=0", "public").status_code == 400
    assert ask(exchanged, "/v1/marts/ets__prices_by_day?volume_t=x", "public").status_code == 400
    assert ask(exchanged, "/v1/marts/ets__prices_by_day?1%3D1%3Bdrop=x", "public").status_code == 400


def test_footprints_conform_to_the_published_schemas(exchanged: Any, shared: Path) -> None:
    for version, published in (("3", "3_0"), ("2", "2_3")):
        found = ask(exchanged, f"/{version}/footprints").json()["data"]
        assert found, version
        checker = jsonschema.Draft202012Validator(schema_of(shared, published))
        assert not [fault.message for document in found for fault in checker.iter_errors(document)]
        assert checker.is_valid({"id": "x"}) is False
    ids = {document["id"] for version in "23" for document in ask(exchanged, f"/{version}/footprints").json()["data"]}
    with duckdb.connect(str((exchanged.settings.releases / "current").resolve() / "ministry.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select exchange_document, is_label_valid from marts.footprint__labelled_products where exchange_document is not null"
        )
        held = [(json.loads(text)["id"], valid) for text, valid in rows.fetchall()]
    assert ids == {identifier for identifier, valid in held if valid} and len(held) > len(ids)


def test_footprint_filters_combine_as_published(exchanged: Any) -> None:
    every = ask(exchanged, "/3/footprints").json()["data"]
    first = every[0]
    product, company = first["productIds"][-1], first["companyIds"][0]

    def count(query: str) -> int:
        return len(ask(exchanged, f"/3/footprints?{query}").json()["data"])

    assert 0 < count(f"productId={product.upper()}") < len(every)
    assert count(f"productId={product}&productId=urn:x:y") == count(f"productId={product}")
    assert count(f"productId={product}&companyId=urn:x:y") == 0
    assert count(f"productId={product}&companyId={company}") >= 1
    assert count("geography=cn") == len([d for d in every if d["pcf"].get("geographyCountry") == "CN"])
    assert (count("status=active"), count("status=Deprecated")) == (len(every), 0)
    assert (count("validOn=2026-01-01T00:00:00Z"), count("validOn=1990-01-01T00:00:00Z")) == (len(every), 0)
    assert count("validAfter=1990-01-01T00:00:00%2B08:00") == len(every)
    assert ask(exchanged, "/3/footprints?validOn=soon").status_code == 400
    two = ask(exchanged, "/2/footprints").json()["data"]
    when = two[0]["created"]
    kept = ask(exchanged, f"/2/footprints?$filter=created ge '{when}' and companyIds/any(c:(c eq '{two[0]['companyIds'][0]}'))").json()[
        "data"
    ]
    assert two[0] in kept
    assert ask(exchanged, "/2/footprints?$filter=created like 'x'").json()["code"] == "BadRequest"


def test_footprint_lists_link_to_the_rest_on_the_host_that_was_asked(exchanged: Any) -> None:
    every, path, found = ask(exchanged, "/3/footprints").json()["data"], "/3/footprints?limit=1&status=Active", []
    while path:
        answer = ask(exchanged, path)
        assert len(answer.json()["data"]) == 1
        found += answer.json()["data"]
        link = answer.links.get("next", {}).get("url", "")
        assert not link or link.startswith("http://127.0.0.1/3/footprints?")
        path = link.removeprefix("http://127.0.0.1")
    assert found == every and len(every) > 1
    assert ask(exchanged, "/3/footprints?limit=-1").json()["code"] == "BadRequest"
    assert exchanged.client.post("/3/events", headers={"X-API-Key": exchanged.keys["public"]}).json()["code"] == "NotImplemented"


def test_token_stands_for_its_key_for_an_hour(exchanged: Any) -> None:
    key = exchanged.keys["public"]
    name = next(name for name, (_, client) in read_keys(exchanged.settings.api_keys).items() if client.reader.name == "public")
    given = exchanged.client.post("/auth/token", data={"grant_type": "client_credentials"}, auth=(name, key)).json()
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert exchanged.client.get("/v1/release", headers=headers).json()["reader"] == "public"
    for auth, grant, status in (
        ((name, "wrong"), "client_credentials", 401),
        (("other", key), "client_credentials", 401),
        ((name, key), "password", 400),
    ):
        assert exchanged.client.post("/auth/token", data={"grant_type": grant}, auth=auth).status_code == status


def test_tokens_end_and_cannot_be_forged(tmp_path: Path) -> None:
    now = [1000.0]
    key = add_key(tmp_path / "keys.yaml", "a", parse_reader("public"))
    door = Doorkeeper(tmp_path / "keys.yaml", lambda: now[0])
    client = door.by_key(key)
    assert client is not None and door.by_key(key[:-1]) is None and door.by_key(key, "b") is None
    token = door.give_token(client)
    assert door.by_token(token) == client
    assert (
        door.by_token(token[:-2] + ("AA" if token[-2:] != "AA" else "BB")) is None
        and door.by_token("é") is None
        and door.by_token("") is None
    )
    assert Doorkeeper(tmp_path / "keys.yaml", lambda: now[0]).by_token(token) is None, "another process has another secret"
    now[0] += TOKEN_SECONDS + 1
    with pytest.raises(TokenExpired):
        door.by_token(token)
    now[0] = 1000.0
    (tmp_path / "keys.yaml").unlink()
    assert door.by_token(token) is None and door.by_key(key) is None, "a key that is taken away opens nothing"


def test_keys_are_kept_as_hashes_in_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    key = add_key(path, "bank", parse_reader("bank_91110100900000006C"))
    assert key not in path.read_text(encoding="utf-8") and path.stat().st_mode & 0o077 == 0
    with pytest.raises(SettingsError, match="already"):
        add_key(path, "bank", parse_reader("public"))
    for name in ("ministry_1", "bank", "bank_", "bank_../../x", "region_44 0000", "nobody"):
        with pytest.raises(SettingsError):
            parse_reader(name)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_keys(path)


def test_requests_over_the_bound_are_told_when_to_come_back(exchanged: Any) -> None:
    from starlette.testclient import TestClient

    with TestClient(make_app(exchanged.settings, Doorkeeper(exchanged.settings.api_keys), per_minute=3)) as client:
        answers = [client.get("/v1/release", headers={"X-API-Key": exchanged.keys["public"]}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 21
        assert client.get("/v1/release", headers={"X-API-Key": exchanged.keys["ministry"]}).status_code == 200
    now = [0.0]
    pace = Pace(60, lambda: now[0])
    assert [pace.wait_seconds("a") for _ in range(61)][-1] > 0
    now[0] += 1.0
    assert pace.wait_seconds("a") == 0


def test_connection_of_a_reader_reaches_no_file_of_the_machine(exchanged: Any) -> None:
    from warehouse.interface.opened import open_file

    folder = (exchanged.settings.releases / "current").resolve()
    con = open_file(folder / "public.duckdb")
    con.execute("use reader")
    for sql in (
        "select * from read_csv('/etc/hosts')",
        f"attach '{folder / 'ministry.duckdb'}' as other (read_only)",
        "create table marts.x as select 1",
        "copy marts.release__summary to 'x.csv'",
        "install httpfs",
        "set enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error):
            con.execute(sql)
    assert con.execute("select count(*) from marts.release__summary").fetchone() == (1,)
    con.close()


def test_before_the_first_release_the_interface_says_so(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    settings = Settings(data=tmp_path)
    key = add_key(settings.api_keys, "a", parse_reader("public"))
    with TestClient(make_app(settings, Doorkeeper(settings.api_keys), 60)) as client:
        assert client.get("/v1/release", headers={"X-API-Key": key}).status_code == 503


def fuzz(exchanged: Any, examples: int) -> None:
    """Schemathesis on the interface's own OpenAPI: every answer documented and of its schema, none a server's fault."""
    import schemathesis
    from hypothesis import HealthCheck, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

    app = make_app(exchanged.settings, Doorkeeper(exchanged.settings.api_keys), per_minute=10_000_000)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    asked = 0

    for operation in schema.get_all_operations():
        strategy = operation.ok().as_strategy()

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @__import__("hypothesis").given(case=strategy)
        def probe(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=checks, headers={"X-API-Key": exchanged.keys["ministry"]})

        probe()
    assert asked >= 9 * min(examples, 2)


def test_interface_answers_as_its_own_description_says(exchanged: Any) -> None:
    fuzz(exchanged, 6)


@pytest.mark.soak
def test_interface_stands_a_long_fuzzing(exchanged: Any) -> None:
    fuzz(exchanged, 400)
