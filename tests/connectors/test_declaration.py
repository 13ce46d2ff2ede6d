"""What a connector's YAML may say: everything else is refused, in both languages, and a secret has no place in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.connectors.credential import Credential, parse_credential
from ingest.connectors.declaration import DeclarationError, read_connector, read_connectors
from ingest.connectors.faults import ConnectorFault, refused

from .conftest import SECRET

DOCUMENT = Path(__file__).parents[2] / "docs" / "connectors.md"
PACT = {"kind": "pact", "source": "s", "url": "https://pcf.example.org/sub", "version": 3, "credential": "c"}
FEED = {"kind": "feed", "source": "s", "urls": ["https://example.org/x.csv"]}
FILES = {"kind": "filesystem", "source": "s", "url": "s3://bucket/x/"}
FOLDER = {"kind": "folder", "source": "s", "path": "/srv/x"}


def declare(folder: Path, values: Any, name: str = "one") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.mark.parametrize("values", [PACT, FEED, FILES, FOLDER])
def test_a_small_declaration_is_enough(values: dict[str, Any], tmp_path: Path) -> None:
    connector = read_connector(declare(tmp_path, values))
    assert (connector.name, connector.kind, connector.every_minutes) == ("one", values["kind"], 60)


def test_the_documented_declarations_are_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n# (\w+)\.yaml(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in blocks:
        declare(tmp_path, f"# {text}", name)
    found = read_connectors(tmp_path)
    assert {connector.kind for connector in found.values()} == {"folder", "filesystem", "feed", "pact"}
    text = DOCUMENT.read_text(encoding="utf-8")
    for connector in found.values():
        for key in set(type(connector).model_fields) - {"name", "kind", "path", "url", "urls", "version", "options", "filter", "host_key"}:
            assert f"`{key}`" in text, key


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (FEED | {"largest_byte": 5}, "largest_byte"),
        (FEED | {"name": "other"}, "name"),
        (FEED | {"largest_bytes": 0}, "largest_bytes"),
        (FEED | {"largest_bytes": True}, "largest_bytes"),
        (FEED | {"urls": []}, "urls"),
        (FEED | {"urls": ["ftp://example.org/x"]}, "urls"),
        (FEED | {"urls": ["https://user:pass@example.org/x"]}, "urls"),
        (FEED | {"networks": ["everything"]}, "networks"),
        (FEED | {"source": "../s"}, "source"),
        (FEED | {"password": SECRET}, "password"),
        ({"kind": "feed", "urls": ["https://example.org/x"]}, "source"),
        ({"kind": "carrier pigeon"}, "kind"),
        (PACT | {"url": "http://pcf.example.org"}, "https"),
        (PACT | {"auth_url": "http://pcf.example.org"}, "https"),
        (PACT | {"url": "https://pcf.example.org/?a=b"}, "url"),
        (PACT | {"version": 1}, "version"),
        (PACT | {"version": 2, "filter": {"status": "Active"}}, "filter"),
        (PACT | {"filter": "status eq 'Active'"}, "filter"),
        ({key: value for key, value in PACT.items() if key != "credential"}, "credential"),
        (FILES | {"url": "memory://x"}, "memory"),
        (FILES | {"url": "simplecache::s3://bucket/x"}, "url"),
        (FILES | {"url": "zip://x"}, "zip"),
        (FILES | {"url": "/srv/x"}, "url"),
        (FILES | {"url": "ftp://user:pass@example.org/x"}, "url"),
        (FILES | {"url": "sftp://example.org/x"}, "host_key"),
        (FILES | {"options": {"secret": SECRET}}, "secret"),
        (FILES | {"options": {"client_kwargs": {"aws_session_token": SECRET}}}, "options"),
        (FOLDER | {"path": "relative"}, "path"),
        (FOLDER | {"credential": "c"}, "credential"),
        (FEED | {"urls": ["http://example.org/x"], "credential": "c"}, "https"),
        ("- a\n- list", "键"),
        ("a: [", "YAML"),
        ("!!python/object/apply:os.system [id]", "YAML"),
    ],
)
def test_what_it_may_not_say_is_refused_in_both_languages(values: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_connector(declare(tmp_path, values))
    message = caught.value.message
    assert words in message.zh + message.en and "one.yaml" in message.zh
    assert re.search("[一-鿿]", message.zh) and not re.search("[一-鿿]", message.en)
    assert SECRET not in str(caught.value)


def test_every_fault_of_a_declaration_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_connector(declare(tmp_path, FEED | {"a": 1, "b": 2, "every_minutes": 0}))
    assert all(word in str(caught.value) for word in ("'a'", "'b'", "every_minutes"))


@pytest.mark.parametrize("name", ["Upper", "1st", "with-dash", "x" * 41])
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError):
        read_connector(declare(tmp_path, FEED, name))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"conn_type": "http", "login": "client", "password": SECRET, "extra": {"region": "cn"}}),
        json.dumps({"login": "client", "password": SECRET, "extra": json.dumps({"region": "cn"})}),
        "http://client:s3cret-Zq8%21vX@host:443/?region=cn",
    ],
)
def test_a_credential_is_read_as_airflow_writes_it(text: str) -> None:
    assert parse_credential("c", text) == Credential("client", SECRET, {"region": "cn"})


@pytest.mark.parametrize("text", ["", SECRET, "{" + SECRET, '{"extra": "' + SECRET + '"}', "http://[" + SECRET])
def test_a_credential_that_cannot_be_read_is_not_repeated(text: str) -> None:
    with pytest.raises(ConnectorFault) as caught:
        parse_credential("c", text)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    assert SECRET not in repr(Credential("client", SECRET, {"key": SECRET}))


def test_a_secret_is_blotted_out_of_a_fault() -> None:
    fault = refused("x", f"含 {SECRET}", f"holds {SECRET.lower()} and s3cret-Zq8%21vX").without(Credential("c", SECRET).secrets)
    assert (fault.message.zh, fault.message.en) == ("含 ***", "holds *** and ***")
