"""Publish the dashboards of every reader into a running Superset."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dashboards.access import ROLE_PREFIX, provision
from dashboards.assets import ASSETS, MINISTRY, Reader, build_assets, list_dashboards
from dashboards.client import SupersetClient
from dashboards.definitions import LANGUAGES, Definitions, read_definitions
from dashboards.errors import DashboardError
from dashboards.readers import read_readers

# Read by Superset when a reader signs in (dashboards/superset/first_page.py).
FIRST_PAGES = "first_pages.json"
_PLACEHOLDER = "${TANLIAN_DATA}"
# SQLAlchemy takes these in an address for its own marks.
_UNFIT_IN_ADDRESS = "?#%"


@dataclass(frozen=True)
class Published:
    """Where the dashboards stand after publication: language -> address, the number of each asset imported, reader -> its password's file."""

    urls: dict[str, str]
    counts: dict[str, int]
    password_files: dict[str, Path]


def publish(
    base_url: str, user: str, password: str, data_dir: Path, assets: Path = ASSETS, only: frozenset[str] | None = None
) -> Published:
    """Import every reader's assets, on top of what an earlier publication left, and provision their roles; again, nothing changes.

    The databases are pointed at `<data_dir>/releases/current`, read-only, so that pages follow the release in force.
    `only` names the audiences to be served beside the ministry; without it all of the release's are.
    """
    readers = [reader for reader in read_readers(data_dir) if only is None or reader.name == MINISTRY or reader.name in only]
    definitions = read_definitions()
    bundles = [read_assets(assets, data_dir.absolute())]
    bundles += [_render_bundle(build_assets(definitions, reader), data_dir.absolute()) for reader in readers if reader.name != MINISTRY]
    with SupersetClient(base_url, user, password) as client:
        for bundle in bundles:
            client.import_assets(bundle)
        accounts = provision(client, readers, (data_dir / "superset").absolute())
        _note_first_pages(definitions, readers, data_dir / "superset")
        urls = {lang: client.find_dashboard(lang) for lang in LANGUAGES}
    counts: dict[str, int] = {}
    for path in (path for bundle in bundles for path in bundle):
        kind = path.split("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return Published(urls, counts, {account.reader.name: account.password_file for account in accounts})


def _note_first_pages(definitions: Definitions, readers: list[Reader], home: Path) -> None:
    """Which dashboard each role arrives at, beside what an earlier publication noted for others."""
    file = home / FIRST_PAGES
    pages = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for reader in readers:
        first = min(
            list_dashboards(definitions, reader),
            key=lambda node: (reader.kind not in node.get("first_of", []), int(node["order"])),
            default=None,
        )
        if first is not None:
            pages[ROLE_PREFIX + reader.name] = {lang: reader.slug(first["slug"], lang) for lang in LANGUAGES}
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(pages, indent=1), encoding="utf-8")
    fresh.replace(file)


def _render_bundle(files: dict[str, Any], data_dir: Path) -> dict[str, str]:
    return {path: yaml.safe_dump(_point(content, data_dir), allow_unicode=True) for path, content in files.items()}


def _point(content: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    """A database's asset with the data directory filled in; any other as it is."""
    if "sqlalchemy_uri" in content:
        content = content | {"sqlalchemy_uri": content["sqlalchemy_uri"].replace(_PLACEHOLDER, str(data_dir))}
    return content


def read_assets(assets: Path, data_dir: Path) -> dict[str, str]:
    """Relative path -> YAML text of the bundle, with the data directory filled in."""
    if any(mark in str(data_dir) for mark in _UNFIT_IN_ADDRESS):
        raise DashboardError(
            f"数据目录 {data_dir} 的路径含有 {_UNFIT_IN_ADDRESS} 之一，数据库地址里写不下；请换一个目录。",
            f"The path of the data directory {data_dir} holds one of {_UNFIT_IN_ADDRESS}, which an address cannot; use another one.",
        )
    files: dict[str, str] = {}
    for path in sorted(assets.rglob("*.yaml")):
        content = _point(yaml.safe_load(path.read_text(encoding="utf-8")), data_dir)
        files[path.relative_to(assets).as_posix()] = yaml.safe_dump(content, allow_unicode=True)
    if not files:
        raise DashboardError(
            f"{assets} 中没有仪表板文件。请运行 python -m dashboards.assets。",
            f"There are no dashboard files in {assets}. Run python -m dashboards.assets.",
        )
    return files
