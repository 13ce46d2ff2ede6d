"""Which DAGs there are follows from the folders, and each is set up so that order and the single writer hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "ingest" / "sources"
Describe = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def found(describe_dags: Describe) -> dict[str, Any]:
    return describe_dags(None)


def list_folders() -> list[str]:
    return [folder.name for folder in SOURCES.iterdir() if (folder / "contract.yaml").is_file()]


def test_dags_are_one_per_contract_and_the_release(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert len(list_folders()) >= 5
    assert set(found["dags"]) == {f"land_{name}" for name in list_folders()} | {"build_release"}


def test_every_dag_is_explained_in_both_languages(found: dict[str, Any]) -> None:
    for name, dag in found["dags"].items():
        assert any("\u4e00" <= sign <= "\u9fff" for sign in dag["doc"]), name
        assert "release" in dag["doc"] or "inbox" in dag["doc"], name


def test_landing_keeps_the_order_of_a_source(found: dict[str, Any]) -> None:
    for name in list_folders():
        dag = found["dags"][f"land_{name}"]
        assert (dag["max_active_runs"], dag["catchup"]) == (1, False)
        assert set(dag["tasks"]) == {"find", "land", "announce", "confirm"}
        assert dag["tasks"]["land"]["mapped"]
        assert dag["tasks"]["land"]["at_once"] == 1
        assert dag["tasks"]["land"]["retries"] == 2
        assert dag["tasks"]["announce"]["outlets"] == [f"tanlian://landing/{name}"]
        assert [task for task in dag["tasks"].values() if task["outlets"]] == [dag["tasks"]["announce"]]


def test_release_has_one_writer_and_hears_of_every_source(found: dict[str, Any]) -> None:
    dag = found["dags"]["build_release"]
    assert dag["max_active_runs"] == 1
    assert {name: task["pool"] for name, task in dag["tasks"].items()} == {"publish": "duckdb_writer"}
    assert dag["assets"] == sorted(f"tanlian://landing/{name}" for name in list_folders())


def test_a_new_folder_is_a_new_dag(describe_dags: Describe, tmp_path: Path) -> None:
    for name in ("old_source", "new_source", "notes_only"):
        (tmp_path / name).mkdir()
    for name in ("old_source", "new_source"):
        (tmp_path / name / "contract.yaml").write_text("id: x", encoding="utf-8")
    found = describe_dags(tmp_path)
    assert found["errors"] == {}
    assert set(found["dags"]) == {"land_old_source", "land_new_source", "build_release"}
    assert found["dags"]["build_release"]["assets"] == ["tanlian://landing/new_source", "tanlian://landing/old_source"]


def test_a_source_with_a_connector_fetches_first(describe_dags: Describe, tmp_path: Path) -> None:
    for name in ("fed", "not_fed"):
        (tmp_path / "sources" / name).mkdir(parents=True)
        (tmp_path / "sources" / name / "contract.yaml").write_text("id: x", encoding="utf-8")
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "one.yaml").write_text("kind: feed\nsource: fed\nurls: [", encoding="utf-8")
    found = describe_dags(tmp_path / "sources", tmp_path / "connectors")
    assert found["errors"] == {}
    assert set(found["dags"]["land_fed"]["tasks"]) == {"fetch", "confirm_fetch", "find", "land", "announce", "confirm"}
    assert set(found["dags"]["land_not_fed"]["tasks"]) == {"find", "land", "announce", "confirm"}
