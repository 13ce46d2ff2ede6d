"""What the client says when it cannot go on, and what it sends; no server needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dashboards import assets, publication
from dashboards.errors import DashboardError

from ..conftest import find_free_port


def make_release(data_dir: Path) -> Path:
    file = data_dir / "releases" / "current" / "ministry.duckdb"
    file.parent.mkdir(parents=True)
    file.touch()
    return data_dir


def test_publish_without_a_release_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DashboardError) as caught:
        publication.publish("http://127.0.0.1:1", "admin", "secret", tmp_path)
    assert "tanlian release" in caught.value.text("en")
    assert "还没有发布" in caught.value.text("zh")


def test_publish_without_a_server_says_what_to_run(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    with pytest.raises(DashboardError) as caught:
        publication.publish(url, "admin", "secret", make_release(tmp_path))
    assert "tanlian up" in caught.value.text("en")
    assert url in caught.value.text("zh")
    assert "secret" not in caught.value.text("en")


def test_bundle_points_at_the_data_directory(tmp_path: Path) -> None:
    awkward = tmp_path / "数据 dir's: {a}"
    files = publication.read_assets(assets.ASSETS, awkward)
    address = yaml.safe_load(files["databases/tanlian.yaml"])["sqlalchemy_uri"]
    assert address == f"duckdb:///{awkward}/releases/current/ministry.duckdb"
    assert [path for path, text in files.items() if "${" in text] == []


def test_path_that_an_address_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match="holds one of"):
        publication.read_assets(assets.ASSETS, tmp_path / "a?access_mode=read_write")


def test_empty_folder_of_assets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match="no dashboard files"):
        publication.read_assets(tmp_path, tmp_path)
