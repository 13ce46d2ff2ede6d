"""Evidence packs: two verifiers that share no code agree on good packs and on every tampered one; nothing of anybody else is inside."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.audience import name_audience
from warehouse.custody.chain import Anchor
from warehouse.custody.evidence import check
from warehouse.custody.evidence.check import EVIDENCE, METADATA, Checked, check_evidence, check_pack, read_pack
from warehouse.custody.evidence.pack import HERE, EvidenceError, build_pack, collect_evidence, write_pack
from warehouse.texts import say

from .planted import ABROAD, BANK, FOREIGN, OTHER_BANK, OWN, Files, plant_files, plant_release

pytestmark = pytest.mark.xdist_group("custody")
Evidence = dict[str, Any]

# Answers every pack of a list at once: starting node for each would take longer than checking it.
MANY = (
    "const fs = require('fs'), vm = require('vm');"
    "const box = vm.createContext({TextEncoder, TextDecoder});"
    "vm.runInContext(fs.readFileSync(process.argv[1], 'utf8'), box);"
    "const packs = JSON.parse(fs.readFileSync(0, 'utf8'));"
    "const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'));"
    "console.log(JSON.stringify(packs.map(([text, anchor]) => box.checkPack(new Map([['evidence.json', bytes(text)]]), anchor || undefined))));"
)


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    assert found, "node is missing: requirements/system.sh installs it"
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return plant_files(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def folder(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    releases = tmp_path_factory.mktemp("releases")
    return plant_release(releases, 2, files, plant_release(releases, 1, files, None))


@pytest.fixture(scope="module")
def evidence(folder: Path, files: Files) -> Evidence:
    return collect_evidence(folder, files.policy, f"bank_{BANK}")


def anchor_of(evidence: Evidence, **changed: str) -> Anchor:
    release = changed.get("release", evidence["release"]["release_id"])
    return Anchor(release, changed.get("chain", evidence["custody"]["chain"]), 7, "cd" * 32)


def ask_node(node: str, packs: list[tuple[bytes, str]]) -> list[dict[str, Any]]:
    import base64

    given = json.dumps([(base64.b64encode(content).decode(), anchor) for content, anchor in packs])
    done = subprocess.run(
        [node, "-e", MANY, str(HERE / "verify.js")], input=given, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(answers) == len(packs)
    return answers


def test_good_pack_holds_for_both_verifiers(evidence: Evidence, folder: Path, tmp_path: Path, node: str) -> None:
    anchors = [
        anchor_of(evidence),
        anchor_of(evidence, release=evidence["release"]["parent_release_id"], chain=evidence["custody"]["parent_chain"]),
    ]
    for out in (tmp_path / "pack", tmp_path / "pack.zip"):
        write_pack(build_pack(evidence, anchors[0]), out)
        for anchor in anchors:
            checked = check_pack(out, anchor)
            assert checked == Checked((), 10, 2, folder.name)
            done = subprocess.run(
                [node, str(HERE / "verify.js"), str(out), anchor.line()], capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {"faults": [], "rowCount": 10, "martCount": 2, "releaseId": folder.name}
    assert (tmp_path / "pack.zip").read_bytes() == write_pack(build_pack(evidence, anchors[0]), tmp_path / "again.zip").read_bytes()


def test_rows_are_the_banks_own_and_nothing_of_others_is_inside(evidence: Evidence, tmp_path: Path) -> None:
    """Columns the bank may not see are shown by their hash alone; salts of other rows cannot follow from those that are shown."""
    rows = {mart["mart"]: mart["rows"] for mart in evidence["marts"]}
    assert {json.loads(row["open"]["json"])["enterprise_id"] for row in [*rows["rows"], *rows["years"]]} == {OWN}
    years = {json.loads(row["open"]["json"])["year"]: row["restricted"] for row in rows["years"]}
    assert sorted(years) == list(range(2000, 2009))
    assert {year for year, restricted in years.items() if "hash" in restricted} == {2006}, "the one value that the bank does not see"
    assert json.loads(years[2003]["json"]) == {"gap": "gap"} and json.loads(years[2004]["json"]) == {"gap": None}
    text = "\n".join(content.decode() for content in build_pack(evidence, anchor_of(evidence)).values())
    assert not [code for code in (FOREIGN, ABROAD, OTHER_BANK, name_audience("bank", OTHER_BANK), "320000") if code in text]


def test_rows_are_chosen_by_a_condition_that_sees_the_banks_file_alone(folder: Path, files: Files) -> None:
    name = f"bank_{BANK}"
    chosen = collect_evidence(folder, files.policy, name, "year >= 2003 and share < 1")
    years = sorted(json.loads(row["open"]["json"])["year"] for mart in chosen["marts"] for row in mart["rows"] if mart["mart"] == "years")
    assert years == [2003, 2004, 2005, 2006]
    assert [mart["mart"] for mart in chosen["marts"]] == ["years"], "a mart without the column is left out"
    assert [mart["mart"] for mart in collect_evidence(folder, files.policy, name, marts=["rows"])["marts"]] == ["rows"]
    with pytest.raises(EvidenceError, match=r"evidence.condition.*read_text|evidence.condition.*file system"):
        collect_evidence(folder, files.policy, name, f"(select count(*) from read_text('{folder / 'manifest.json'}')) > 0")


@pytest.mark.parametrize(
    ("name", "where", "mart", "key", "told"),
    [
        (f"bank_{BANK}", f"enterprise_id = '{FOREIGN}'", None, "evidence.no_row", {"where": f"enterprise_id = '{FOREIGN}'"}),
        (f"bank_{BANK}", "no_such = 1 and year = 2", None, "evidence.no_column", {"column": "no_such"}),
        (f"bank_{BANK}", "share = 1 and product_code = 'x'", None, "evidence.apart", {"places": "product_code (rows); share (years)"}),
        (f"bank_{BANK}", "year = ", None, "evidence.condition", {}),
        (f"bank_{BANK}", "year = 'x'", None, "evidence.condition", {}),
        (f"bank_{BANK}", "year = [1]", None, "evidence.condition", {}),
        (f"bank_{BANK}", "nothing(year)", None, "evidence.condition", {}),
        (f"bank_{BANK}", None, "nope", "evidence.no_mart", {"mart": "nope", "known": "prices, rows, years"}),
        ("bank_nobody", None, None, "evidence.no_audience", {"known": f"bank_{BANK}, bank_{OTHER_BANK}"}),
    ],
)
def test_what_cannot_be_proved_is_told_by_its_cause(
    folder: Path, files: Files, name: str, where: str | None, mart: str | None, key: str, told: dict[str, str]
) -> None:
    with pytest.raises(EvidenceError) as caught:
        collect_evidence(folder, files.policy, name, where, [mart] if mart else None)
    assert caught.value.key == key
    assert told.items() <= caught.value.values.items()
    for lang in ("zh", "en"):
        assert say(key, lang, **caught.value.values)


def walk(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places of all leaves of a document."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in walk(item, (*place, key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in walk(item, (*place, index))]
    return [place]


def changed_at(evidence: Evidence, place: tuple[Any, ...], draw: random.Random) -> Evidence:
    """The document with one leaf changed a little."""
    changed = copy.deepcopy(evidence)
    node = changed
    for step in place[:-1]:
        node = node[step]
    value = node[place[-1]]
    if isinstance(value, int):
        node[place[-1]] = value + draw.choice([-1, 1])
    elif value:
        at = draw.randrange(len(value))
        node[place[-1]] = (
            value[:at] + draw.choice([letter for letter in "0123456789abcdefABCDEF {" if letter != value[at]]) + value[at + 1 :]
        )
    else:
        node[place[-1]] = "0"
    return changed


STRUCTURES: dict[str, Callable[[Evidence], object]] = {
    "no marts": lambda e: e["marts"].clear(),
    "no rows": lambda e: [mart["rows"].clear() for mart in e["marts"]],
    "a row twice": lambda e: e["marts"][1]["rows"].append(e["marts"][1]["rows"][0]),
    "rows of another mart": lambda e: e["marts"][0]["rows"].append(e["marts"][1]["rows"][0]),
    "marts swapped": lambda e: (e["marts"][0].update(mart=e["marts"][1]["mart"]), e["marts"][1].update(mart="rows")),
    "leaves swapped": lambda e: e["marts"][0].update(leaf=e["marts"][1]["leaf"]),
    "a path cut": lambda e: e["marts"][1]["rows"][0]["path"].pop(),
    "a path reordered": lambda e: e["marts"][1]["rows"][0]["path"].reverse(),
    "a path grown": lambda e: e["marts"][1]["rows"][0]["path"].append("0" * 64),
    "places swapped": lambda e: e["marts"][1]["rows"][0].update(index=e["marts"][1]["rows"][1]["index"]),
    "a row hidden": lambda e: e["marts"][1]["rows"][0].update(open={"hash": "0" * 64}),
    "salt and text cut elsewhere": lambda e: e["marts"][0]["rows"][0]["open"].update(
        salt=e["marts"][0]["rows"][0]["open"]["salt"] + e["marts"][0]["rows"][0]["open"]["json"][0],
        json=e["marts"][0]["rows"][0]["open"]["json"][1:],
    ),
    "no custody": lambda e: e.pop("custody"),
    "rows not a list": lambda e: e["marts"][0].update(rows=7),
    "an odd hash": lambda e: e["marts"][0]["rows"][0]["path"].__setitem__(0, "zz"),
}


def test_every_tampered_pack_is_refused_by_both_verifiers(evidence: Evidence, node: str) -> None:
    """Each leaf of the document changed once, and what is moved about: both refuse, and name the same place."""
    draw = random.Random(7)
    told = {("audience",), ("release",)}
    places = [place for place in walk(evidence) if place[:1] not in told]
    chosen = [place for place in places if "path" not in place] + draw.sample([place for place in places if "path" in place], 30)
    tampered = [changed_at(evidence, place, draw) for place in chosen]
    tampered += [evidence | {"release": evidence["release"] | {name: "0"}} for name in evidence["release"]]
    for change in STRUCTURES.values():
        other = copy.deepcopy(evidence)
        change(other)
        tampered.append(other)
    contents = [json.dumps(document, ensure_ascii=False).encode() for document in tampered]
    by_node = ask_node(node, [(content, "") for content in contents])
    by_python = [_judge(content) for content in contents]
    accepted = [index for index, faults in enumerate(by_python) if not faults]
    agreed = [_kinds(faults) == _kinds(answer["faults"]) for faults, answer in zip(by_python, by_node, strict=True)]
    allowed = [index for index, place in enumerate(chosen) if place == ("custody", "version")]
    assert accepted == allowed, [chosen[index] for index in accepted if index < len(chosen)]
    assert all(agreed), [(chosen[i] if i < len(chosen) else i, by_python[i], by_node[i]) for i, same in enumerate(agreed) if not same]
    assert len(tampered) > 100


def _judge(content: bytes) -> tuple[str, ...]:
    try:
        return check_evidence(json.loads(content)).faults
    except (ValueError, KeyError, TypeError, AttributeError):
        return ("unreadable",)


def _kinds(faults: Any) -> set[str]:
    """Faults without the name of the exception, which each language has its own of."""
    return {"unreadable" if fault.startswith("unreadable") else fault for fault in faults}


def test_anchor_of_something_else_is_refused_by_both_verifiers(evidence: Evidence, node: str) -> None:
    content = json.dumps(evidence, ensure_ascii=False).encode()
    wrong = [anchor_of(evidence, release="20261031-other"), anchor_of(evidence, chain="0" * 64)]
    assert [check_evidence(evidence, anchor).faults for anchor in wrong] == [("anchor",), ("anchor",)]
    assert [answer["faults"] for answer in ask_node(node, [(content, anchor.line()) for anchor in wrong])] == [["anchor"], ["anchor"]]


def test_files_of_a_pack_changed_dropped_or_added_are_told_by_both(evidence: Evidence, tmp_path: Path, node: str) -> None:
    files = build_pack(evidence, anchor_of(evidence))
    for name in files:
        for act in ("changed", "dropped"):
            out = tmp_path / f"{name}_{act}"
            write_pack(files, out)
            (out / name).write_bytes(files[name] + b" ") if act == "changed" else (out / name).unlink()
            if name == METADATA and act == "changed":
                continue
            done = subprocess.run([node, str(HERE / "verify.js"), str(out)], capture_output=True, text=True, check=False, timeout=60)
            python, javascript = check_pack(out).faults, tuple(json.loads(done.stdout)["faults"])
            assert done.returncode == 3 and _kinds(python) == _kinds(javascript) != set(), (name, act)
    out = write_pack(files, tmp_path / "added")
    (out / "more.csv").write_text("x", encoding="utf-8")
    assert check_pack(out).faults == ("file more.csv",)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("x", "y")
    assert check_pack(tmp_path / "bad.zip").faults[0].startswith("unreadable")


def test_no_damage_to_a_packed_file_is_more_than_a_pack_that_is_not_whole(evidence: Evidence, tmp_path: Path) -> None:
    packed = write_pack(build_pack(evidence, anchor_of(evidence)), tmp_path / "evidence.zip")
    content, whole = packed.read_bytes(), read_pack(packed)
    damaged = tmp_path / "damaged.zip"
    outcomes: set[bool] = set()
    ends = {*range(200), *range(len(content) - 600, len(content))}  # the first member's header, and the directory at the end
    for place in sorted({*ends, *range(0, len(content), 31)}):
        for flipped in (0x01, 0xFF):
            damaged.write_bytes(content[:place] + bytes([content[place] ^ flipped]) + content[place + 1 :])
            checked = check_pack(damaged, anchor_of(evidence))
            assert checked.faults or read_pack(damaged) == whole, (place, flipped)  # a date of the archive itself proves nothing
            outcomes.add(bool(checked.faults))
    for length in range(0, len(content), 97):
        damaged.write_bytes(content[:length])
        assert check_pack(damaged).faults, length
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    ("name", "offset", "value"),
    [("encrypted", 8, 1), ("an unknown compression", 10, 99), ("a method cut short", 10, 14), ("another method", 10, 12)],
)
def test_what_an_archive_says_of_its_members_is_not_believed(
    evidence: Evidence, tmp_path: Path, name: str, offset: int, value: int
) -> None:
    content = bytearray(write_pack(build_pack(evidence, anchor_of(evidence)), tmp_path / "evidence.zip").read_bytes())
    content[content.find(b"PK\1\2") + offset] = value  # in the directory at the end
    content[content.find(b"PK\3\4") + offset - 2] = value  # and before the member itself
    (tmp_path / "forged.zip").write_bytes(content)
    assert [fault.split()[0] for fault in check_pack(tmp_path / "forged.zip").faults] == ["unreadable"], name


def test_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LARGEST_PACK", 10_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(EVIDENCE, b"[" * 10_001)
    assert check_pack(tmp_path / "bomb.zip").faults == ("unreadable BadZipFile: larger than any pack",)


def test_hashes_of_the_script_are_those_of_the_standard(node: str) -> None:
    texts = ["", "abc", "a" * 55, "a" * 56, "a" * 63, "a" * 64, "a" * 119, "碳联" * 1000]
    code = (
        "const fs=require('fs'),vm=require('vm'),box=vm.createContext({TextEncoder,TextDecoder});"
        "vm.runInContext(fs.readFileSync(process.argv[1],'utf8'),box);"
        "console.log(JSON.stringify(JSON.parse(fs.readFileSync(0,'utf8')).map((t)=>box.hex(box.sha256(box.utf8(t))))))"
    )
    code = code.replace("box.hex(box.sha256(box.utf8(t)))", "vm.runInContext('(t)=>hex(sha256(utf8(t)))',box)(t)")
    done = subprocess.run(
        [node, "-e", code, str(HERE / "verify.js")], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def test_metadata_is_a_ro_crate(evidence: Evidence) -> None:
    """What RO-Crate 1.1 asks for: a descriptor, a root data set with name, description, date and licence, every file listed and described."""
    files = build_pack(evidence, anchor_of(evidence))
    document = json.loads(files[METADATA])
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    assert len(entities) == len(document["@graph"])
    descriptor, root = entities[METADATA], entities["./"]
    assert (descriptor["@type"], descriptor["about"], descriptor["conformsTo"]) == (
        "CreativeWork", {"@id": "./"}, {"@id": "https://w3id.org/ro/crate/1.1"},
    )  # fmt: skip
    assert root["@type"] == "Dataset" and all(root[name] for name in ("name", "description", "datePublished"))
    assert root["license"]["@id"] in entities
    assert {part["@id"] for part in root["hasPart"]} == set(files) - {METADATA} >= {EVIDENCE}
    for name in set(files) - {METADATA}:
        assert entities[name]["@type"] == "File" and entities[name]["contentSize"] == str(len(files[name]))


def test_page_works_offline_and_holds_the_script(evidence: Evidence) -> None:
    files = build_pack(evidence, anchor_of(evidence))
    page = files["verify.html"].decode()
    assert files["verify.js"].decode() in page and "/* verify.js */" not in page
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
