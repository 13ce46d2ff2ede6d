"""Folders, object stores and SFTP: what is new and whole arrives once, in order, whatever it is called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from moto.server import ThreadedMotoServer

from ingest.connectors import listed
from ingest.connectors.credential import Credential

from .conftest import SECRET, Room, Sftp

QUICK = {"settle_seconds": 0.05}


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


def test_a_folder_gives_each_file_once_in_the_order_of_names(room: Room, watched: Path) -> None:
    room.declare("share", kind="folder", path=str(watched), pattern="*.csv", **QUICK)
    for name in ("2026-02.csv", "2026-01.csv", "notes.txt", "~$2026-03.csv", "late.csv.part"):
        (watched / name).write_text(name)
    (watched / "below").mkdir()
    (watched / "below" / "2026-04.csv").write_text("below")
    first = room.pull("share")
    assert (first.outcome, room.inbox()) == ("fetched", [b"2026-01.csv", b"2026-02.csv"])
    assert [file.original_name for file in first.files] == ["2026-01.csv", "2026-02.csv"]
    assert room.pull("share").outcome == "nothing_new"
    # Renamed, touched or copied: the same bytes are the same delivery. Other bytes under the old name are a new one.
    (watched / "2026-01.csv").rename(watched / "2026-01 (1).csv")
    os.utime(watched / "2026-02.csv")
    assert (room.pull("share").outcome, len(room.inbox())) == ("nothing_new", 2)
    (watched / "2026-02.csv").write_text("corrected")
    assert (room.pull("share").outcome, room.inbox()[-1]) == ("fetched", b"corrected")
    assert room.leftovers() == []


def test_a_folder_is_left_as_it_was_even_read_only(room: Room, watched: Path) -> None:
    room.declare("share", kind="folder", path=str(watched), recursive=True, **QUICK)
    (watched / "below").mkdir()
    (watched / "below" / "a.csv").write_text("a")
    (watched / "below" / "a.csv").chmod(0o400)
    (watched / "below").chmod(0o500)
    watched.chmod(0o500)
    before = sorted((path.name, path.lstat().st_mtime_ns) for path in watched.rglob("*"))
    assert room.pull("share").outcome == "fetched"
    assert sorted((path.name, path.lstat().st_mtime_ns) for path in watched.rglob("*")) == before
    assert room.inbox() == [b"a"]


def test_a_file_still_being_written_waits(room: Room, watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room.declare("share", kind="folder", path=str(watched), settle_seconds=0.3)
    (watched / "whole.csv").write_text("whole")
    (watched / "growing.csv").write_text("row\n")
    waited = []

    def write_meanwhile(seconds: float) -> None:
        """Between the two looks, whatever the machine does: a writer of its own may not have its turn in a third of a second."""
        waited.append(seconds)
        with (watched / "growing.csv").open("a") as out:
            out.write("row\n")

    with monkeypatch.context() as patch:
        patch.setattr(listed, "time", SimpleNamespace(sleep=write_meanwhile))
        pulled = room.pull("share")
    assert waited == [0.3]
    assert (pulled.outcome, pulled.unsettled, room.inbox()) == ("fetched", 1, [b"whole"])
    assert room.pull("share").outcome == "fetched"
    assert room.inbox()[-1] == (watched / "growing.csv").read_bytes()


def test_links_pipes_and_files_too_large_are_told_and_stop_no_other(room: Room, watched: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(SECRET)
    room.declare("share", kind="folder", path=str(watched), recursive=True, largest_bytes=10, **QUICK)
    (watched / "a_link.csv").symlink_to(outside)
    (watched / "a_folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(watched / "b_pipe.csv")
    (watched / "c_large.csv").write_text("x" * 11)
    (watched / "d_good.csv").write_text("good")
    pulled = room.pull("share")
    assert (pulled.outcome, pulled.may_succeed_later, room.inbox()) == ("failed", False, [b"good"])
    assert sorted(fault.code for fault in pulled.faults) == ["too_large", "unsafe", "unsafe", "unsafe"]
    assert room.leftovers() == []


def test_a_folder_that_is_not_there_is_told(room: Room, watched: Path) -> None:
    room.declare("share", kind="folder", path=str(watched / "gone"), **QUICK)
    assert [fault.code for fault in room.pull("share").faults] == ["folder_unreadable"]


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|'x'!A1.csv",
        "..csv",
        "-rf.csv",
        "\u202ecsv.exe",
        "报价 2026年.csv",
        "a" * 240 + ".csv",
        "new\nline.csv",
        "$(id).csv",
        "x.tmp.csv",
    ],
)
def test_hostile_names_are_harmless_in_the_inbox_and_kept_as_text(name: str, room: Room, watched: Path) -> None:
    room.declare("share", kind="folder", path=str(watched), pattern="*", **QUICK)
    (watched / f"0{name}" if name.startswith(".") else watched / name).write_text("x")
    [file] = room.pull("share").files
    assert file.original_name.endswith(name)
    [path] = list((room.data / "inbox" / "some_source").iterdir())
    assert path.name == file.file and len(path.name.encode()) < 220 and file.file.endswith(("csv", "exe"))
    assert not set(file.file) & set("=|'!$()\n\u202e/\\ ~") and file.file[0] == "2"


def test_a_dry_run_says_what_is_new_and_takes_nothing(room: Room, watched: Path) -> None:
    room.declare("share", kind="folder", path=str(watched), **QUICK)
    (watched / "a.csv").write_text("abc")
    pulled = room.pull("share", dry_run=True)
    assert [(file.original_name, file.size) for file in pulled.files] == [("a.csv", 3)]
    assert not (room.data / "inbox").exists()
    assert room.pull("share").outcome == "fetched"


# Object stores


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store: str, room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    import boto3

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.client("s3", endpoint_url=store, aws_access_key_id="collector", aws_secret_access_key=SECRET, region_name="us-east-1")
    client.create_bucket(Bucket="registry")
    room.credentials["registry_store"] = Credential("collector", SECRET)
    room.declare(
        "registry",
        kind="filesystem",
        url="s3://registry/monthly/",
        credential="registry_store",
        options={"endpoint_url": store},
        recursive=True,
    )
    yield client
    for item in client.list_objects_v2(Bucket="registry").get("Contents", []):
        client.delete_object(Bucket="registry", Key=item["Key"])
    client.delete_bucket(Bucket="registry")


def test_an_object_store_gives_each_object_once(room: Room, bucket: object) -> None:
    for name in ("2026-02.csv", "2026-01.csv", "../up.csv", "deep/2026-03.csv"):
        bucket.put_object(Bucket="registry", Key=f"monthly/{name}", Body=name.encode())
    bucket.put_object(Bucket="registry", Key="elsewhere/x.csv", Body=b"elsewhere")
    bucket.put_object(Bucket="registry", Key="monthly/large.bin", Body=b"x" * 3_000_000)
    first = room.pull("registry")
    assert first.outcome == "fetched", first.faults
    assert room.inbox() == [b"../up.csv", b"2026-01.csv", b"2026-02.csv", b"deep/2026-03.csv", b"x" * 3_000_000]
    assert all("/" not in file.file and ".." not in file.file for file in first.files)
    assert first.files[0].place == "s3://registry/monthly/../up.csv"
    assert room.pull("registry").outcome == "nothing_new"
    bucket.put_object(Bucket="registry", Key="monthly/2026-01.csv", Body=b"corrected")
    assert (room.pull("registry").outcome, room.inbox()[-1]) == ("fetched", b"corrected")


def test_a_bucket_that_is_not_there_is_told_and_an_absent_store_may_come_back(room: Room, bucket: object, store: str) -> None:
    common = {"kind": "filesystem", "credential": "registry_store", "attempts": 2}
    room.declare("nowhere", url="s3://no-such-bucket/x/", options={"endpoint_url": store}, **common)
    room.declare("down", url="s3://registry/x/", options={"endpoint_url": "http://127.0.0.1:9"}, **common)
    nowhere, down = room.pull("nowhere"), room.pull("down")
    assert (nowhere.outcome, nowhere.may_succeed_later) == ("failed", False)
    assert (down.outcome, down.may_succeed_later, [fault.code for fault in down.faults]) == ("failed", True, ["unreachable"])


def test_a_file_address_works_and_memory_does_not_exist(room: Room, watched: Path) -> None:
    (watched / "a.csv").write_text("a")
    (watched / "b.csv").symlink_to(watched / "a.csv")
    room.declare("local", kind="filesystem", url=f"file://{watched}", **QUICK)
    pulled = room.pull("local")
    assert (room.inbox(), [fault.code for fault in pulled.faults]) == ([b"a"], ["unsafe"])


# SFTP


@pytest.fixture
def drop(room: Room, sftp: Sftp) -> Path:
    room.credentials["drop_login"] = Credential("collector", SECRET)
    room.declare(
        "drop",
        kind="filesystem",
        url=f"sftp://127.0.0.1:{sftp.port}/out",
        credential="drop_login",
        host_key=sftp.host_key,
        recursive=True,
        **QUICK,
    )
    (sftp.folder / "out" / "deep").mkdir(parents=True)
    return sftp.folder / "out"


def test_sftp_gives_each_file_once_and_follows_no_link(room: Room, drop: Path, sftp: Sftp) -> None:
    (drop / "b.csv").write_text("b")
    (drop / "a.csv").write_bytes(b"a" * 3_000_000)
    (drop / "deep" / "c.csv").write_text("c")
    (drop / "link.csv").symlink_to(drop / "b.csv")
    pulled = room.pull("drop")
    assert [fault.code for fault in pulled.faults] == ["unsafe"]
    assert room.inbox() == [b"a" * 3_000_000, b"b", b"c"]
    asked = len(sftp.opened)
    assert asked == 3
    (drop / "link.csv").unlink()
    assert room.pull("drop").outcome == "nothing_new" and len(sftp.opened) == asked
    assert sorted(path.name for path in drop.iterdir()) == ["a.csv", "b.csv", "deep"]


def test_sftp_tells_nobody_else_the_password(room: Room, drop: Path, sftp: Sftp) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    common = {"kind": "filesystem", "credential": "drop_login", "attempts": 2, "url": f"sftp://127.0.0.1:{sftp.port}/out"}
    room.declare("stranger", host_key=other, **common)
    assert [fault.code for fault in room.pull("stranger").faults] == ["host_key"]
    room.credentials["drop_login"] = Credential("collector", "wrong")
    room.declare("wrong", host_key=sftp.host_key, **common)
    [fault] = room.pull("wrong").faults
    assert (fault.code, fault.later) == ("forbidden", False)


def test_an_sftp_server_that_is_away_may_come_back(room: Room, drop: Path, sftp: Sftp) -> None:
    room.declare(
        "away", kind="filesystem", url="sftp://127.0.0.1:9/out", credential="drop_login", host_key=sftp.host_key, attempts=2, **QUICK
    )
    [fault] = room.pull("away").faults
    assert (fault.code, fault.later) == ("unreachable", True)
