"""Whatever is done to a file of a release is found from the files alone: flipped, dropped, swapped, reordered, cut, added, rewritten."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.audience_files import file_hash
from warehouse.custody.chain import MANIFEST, Anchor, page, read_anchor, seal_manifest, write_seals
from warehouse.custody.verification import Verified, verify_file, verify_release

from .planted import plant_files, plant_release

pytestmark = pytest.mark.xdist_group("custody")


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three releases, each the parent of the next."""
    room = tmp_path_factory.mktemp("sealed")
    files = plant_files(room)
    parent = None
    for number in (1, 2, 3):
        parent = plant_release(room / "releases", number, files, parent)
    return room / "releases"


@pytest.fixture
def releases(sealed: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(sealed, tmp_path / "releases"))
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def newest(releases: Path) -> Path:
    return sorted(path for path in releases.iterdir() if path.is_dir())[-1]


def anchor_of(folder: Path) -> Anchor:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return Anchor(manifest["release_id"], manifest["custody"]["chain"], 7, "cd" * 32)


def codes(found: Verified) -> set[tuple[str, str]]:
    return {(fault.code, fault.place) for fault in found.faults}


def test_untouched_releases_and_files_are_good(sealed: Path) -> None:
    folder = newest(sealed)
    found = verify_release(folder, anchor_of(folder))
    assert (found.faults, found.parent_count, found.is_anchored) == ([], 2, True)
    assert found.file_count == len(list(folder.iterdir())) >= 13
    assert verify_release(folder).is_anchored is None
    for path in folder.glob("*.duckdb"):
        assert verify_file(path, anchor=anchor_of(folder)).faults == []
    assert verify_release(folder, anchor_of(sorted(sealed.iterdir())[0])).is_anchored, "an older anchor lies on the chain as well"


def test_one_file_and_its_seal_are_enough_and_tell_nothing_of_others(sealed: Path, tmp_path: Path) -> None:
    folder = newest(sealed)
    name = next(path.stem for path in folder.glob("bank_*.duckdb"))
    file, seal = (Path(shutil.copy(folder / f"{name}{suffix}", tmp_path)) for suffix in (".duckdb", ".seal.json"))
    assert verify_file(file, anchor=anchor_of(folder)).is_anchored
    assert verify_file(file.rename(tmp_path / "renamed.duckdb"), seal).faults == []
    others = {path.stem.split("_", 1)[1] for path in folder.glob("*_*.duckdb")} - {name.split("_", 1)[1]}
    assert len(others) == 2 and not [other for other in others if other in seal.read_text(encoding="utf-8")]
    seal.unlink()
    assert codes(verify_file(tmp_path / "renamed.duckdb")) == {("seal", "renamed.duckdb")}


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << (place % 8)
    path.write_bytes(content)


def test_every_file_flipped_cut_grown_emptied_dropped_or_swapped_is_found(releases: Path) -> None:
    folder = newest(releases)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) >= 13
    draw = random.Random(20261031)
    acts: dict[str, Callable[[Path, bytes], object]] = {
        "cut": lambda path, content: path.write_bytes(content[:-1]),
        "cut in half": lambda path, content: path.write_bytes(content[: len(content) // 2]),
        "grown": lambda path, content: path.write_bytes(content + b"\n"),
        "emptied": lambda path, content: path.write_bytes(b""),
        "dropped": lambda path, content: path.unlink(),
        "halves reordered": lambda path, content: path.write_bytes(content[len(content) // 2 :] + content[: len(content) // 2]),
        "first byte flipped": lambda path, content: flip(path, 0),
        "last byte flipped": lambda path, content: flip(path, len(content) - 1),
    } | {f"flip {number}": lambda path, content: flip(path, draw.randrange(len(content))) for number in range(4)}
    missed = []
    for name in names:
        content = (folder / name).read_bytes()
        for act, change in acts.items():
            change(folder / name, content)
            found = codes(verify_release(folder))
            expected = {("manifest", MANIFEST)} if name == MANIFEST else {("missing" if act == "dropped" else "changed", name)}
            missed += [] if found == expected else [(name, act, found)]
            (folder / name).write_bytes(content)
    for one, other in zip(names, names[1:] + names[:1], strict=True):
        contents = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(contents[1])
        (folder / other).write_bytes(contents[0])
        missed += [] if verify_release(folder).faults else [(one, "swapped", other)]
        (folder / one).write_bytes(contents[0])
        (folder / other).write_bytes(contents[1])
    assert missed == []
    (folder / "more.duckdb").write_bytes(b"x")
    assert codes(verify_release(folder)) == {("unexpected", "more.duckdb")}
    (folder / "more.duckdb").unlink()
    (folder / names[0]).rename(releases / "elsewhere")
    (folder / names[0]).symlink_to(releases / "elsewhere")
    assert codes(verify_release(folder)) == {("missing", names[0])}


def test_every_byte_of_a_seal_and_of_a_manifest_counts(releases: Path) -> None:
    """White space included: what is not the stored text is a change."""
    folder = newest(releases)
    file = next(folder.glob("region_*.duckdb"))
    seal = file.with_name(f"{file.stem}.seal.json")
    content = seal.read_bytes()
    missed = []
    for place in range(len(content)):
        flip(seal, place)
        missed += [] if verify_file(file).faults else [place]
        seal.write_bytes(content)
    manifest = (folder / MANIFEST).read_bytes()
    for place in range(0, len(manifest), 7):
        flip(folder / MANIFEST, place)
        missed += [] if verify_release(folder).faults else [place]
        (folder / MANIFEST).write_bytes(manifest)
    assert missed == [] and len(content) > 1000


def test_entries_of_a_manifest_swapped_or_dropped_are_found(releases: Path) -> None:
    folder = newest(releases)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    changes: list[dict[str, Any]] = [
        manifest | {"audiences": manifest["audiences"][::-1]},
        manifest | {"audiences": manifest["audiences"][:-1]},
        manifest | {"gates": []},
        manifest | {"trees": dict(list(manifest["trees"].items())[1:])},
        {name: value for name, value in manifest.items() if name != "ledger"},
        {name: value for name, value in manifest.items() if name != "audiences"},
        manifest | {"custody": manifest["custody"] | {"parent_chain": "0" * 64}},
        manifest | {"custody": {}},
    ]
    for changed in changes:
        (folder / MANIFEST).write_bytes(page(changed))
        assert codes(verify_release(folder)) == {("manifest", MANIFEST)}


def test_file_of_another_audience_or_release_does_not_pass_for_its_own(releases: Path) -> None:
    folder, before = newest(releases), sorted(releases.iterdir())[1]
    names = sorted(path.name for path in folder.glob("bank_*.duckdb"))
    seals = [folder / name.replace(".duckdb", ".seal.json") for name in names]
    assert codes(verify_file(folder / names[0], seals[1])) == {("changed", names[0])}
    assert codes(verify_file(before / names[0], seals[0])) == {("changed", names[0])}
    older = before / seals[0].name
    assert codes(verify_file(before / names[0], older, anchor_of(folder))) == {("anchor", folder.name)}
    mixed = json.loads(seals[0].read_text(encoding="utf-8")) | {"custody": json.loads(older.read_text(encoding="utf-8"))["custody"]}
    seals[0].write_bytes(page(mixed))
    assert {code for code, _ in codes(verify_file(folder / names[0], seals[0]))} == {"seal", "chain"}


def test_parents_changed_swapped_or_cut_are_found(releases: Path) -> None:
    first, second, third = sorted(path for path in releases.iterdir() if path.is_dir())
    content = (second / MANIFEST).read_bytes()
    flip(second / MANIFEST, len(content) // 2)
    assert codes(verify_release(third)) == {("parent", second.name)}
    (second / MANIFEST).write_bytes((first / MANIFEST).read_bytes())
    assert codes(verify_release(third)) == {("parent", second.name)}
    (second / MANIFEST).write_bytes(content)
    flip(first / MANIFEST, 100)
    assert codes(verify_release(third)) == {("parent", first.name)}
    shutil.rmtree(first)
    assert verify_release(third).parent_count == 1, "what is no longer kept is not checked, and the count says so"
    third.rename(first)
    assert codes(verify_release(first)) == {("manifest", MANIFEST)}


def rewrite(folder: Path, files: dict[str, bytes]) -> None:
    """What somebody would do who knows how releases are made: change files and write manifest and seals anew."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for entry in manifest["audiences"]:
        entry |= {"sha256": file_hash(folder / entry["file"]), "size": (folder / entry["file"]).stat().st_size}
    del manifest["custody"]
    parents = [path for path in folder.parent.iterdir() if path.name == manifest["parent_release_id"]]
    sealed = seal_manifest(manifest, parents[0] if parents else None)
    (folder / MANIFEST).write_bytes(page(sealed))
    for entry in manifest["audiences"]:
        (folder / f"{entry['name']}.seal.json").unlink()
    write_seals(sealed, folder)


def test_release_rewritten_as_a_whole_is_told_by_the_anchor_and_by_its_children(releases: Path) -> None:
    first, second, third = sorted(path for path in releases.iterdir() if path.is_dir())
    kept = {folder: anchor_of(folder) for folder in (first, second, third)}
    name = next(first.glob("bank_*.duckdb")).name
    rewrite(first, {name: b"other rows"})
    assert verify_release(first).faults == [], "without an anchor nothing speaks against it"
    assert codes(verify_release(first, kept[first])) == {("anchor", first.name)}
    assert codes(verify_file(first / name, anchor=kept[first])) == {("anchor", first.name)}
    assert codes(verify_release(second)) == {("parent", first.name)}
    rewrite(third, {})
    assert codes(verify_release(third, kept[second])) == {("parent", first.name)}, "its own parent is as anchored, that one's is not"


def test_anchor_is_read_back_from_any_text() -> None:
    anchor = Anchor("20261031-0123456789", "ab" * 32, 12, "cd" * 32)
    assert read_anchor(f"锚值 / anchor:\n  {anchor.line()}\n") == anchor
    assert read_anchor(Anchor("r", "ab" * 32, 0, "").line()) == Anchor("r", "ab" * 32, 0, "")
    assert read_anchor(anchor.line()[:-1]) is None and read_anchor("") is None
