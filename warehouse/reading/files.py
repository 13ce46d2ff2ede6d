"""Which file a reader gets: the release known at an instant, and in it the file of that reader. Nobody is given another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from warehouse.audience import name_audience
from warehouse.audience_files import list_alike, listed_audiences
from warehouse.ledger import Ledger
from warehouse.reading.enterprise_view import nearest_enterprises, write_enterprise_view
from warehouse.release import current_release, kept_releases, read_manifest
from warehouse.settings import Settings, SettingsError
from warehouse.texts import say, write_utc

MINISTRY, PUBLIC, REGION, BANK, ENTERPRISE = "ministry", "public", "region", "bank", "enterprise"
_MEMBER = re.compile(r"[A-Za-z0-9:._-]{1,64}")


@dataclass(frozen=True)
class Reader:
    """A kind of reader and which one: `region` 440000, `bank` and `enterprise` by their code; ministry and public have no member."""

    kind: str
    member: str | None = None

    @property
    def name(self) -> str:
        """The audience's name, which is also its file's."""
        return name_audience(self.kind, self.member)


class UnknownReader(SettingsError):
    """A reader for whom a release holds nothing; says whom it knows."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        if reader.kind == ENTERPRISE:
            source = audience_file(folder, Reader(MINISTRY))
            key, known = "reader.no_enterprise", nearest_enterprises(source, reader.member or "") if source else []
        else:
            key, known = "reader.no_file", list_alike(read_manifest(folder), reader.kind)
        places = {"release": folder.name, "reader": reader.name, "known": ", ".join(known) or "-"}
        super().__init__(say(key, "zh", **places), say(key, "en", **places))


def parse_reader(name: str) -> Reader:
    """A reader by the audience's name: `ministry`, `public`, `bank_<id>`, `region_<province code>`, `enterprise_<id>`.

    Raises:
        SettingsError: no such name.
    """
    kind, _, member = name.partition("_")
    alone = name in (MINISTRY, PUBLIC)
    if alone or (kind in (REGION, BANK, ENTERPRISE) and _MEMBER.fullmatch(member)):
        return Reader(kind, member or None)
    raise SettingsError(
        f"没有这样的读者 {name!r}；应为 ministry、public、bank_<代码>、region_<省份代码> 或 enterprise_<代码>",
        f"there is no reader {name!r}: ministry, public, bank_<code>, region_<province code> or enterprise_<code>",
    )


def release_at(settings: Settings, ledger: Ledger, moment: datetime | None) -> Path | None:
    """Folder of the release in force, or of the newest kept one that knew no more than what was known at `moment`."""
    if moment is None:
        return current_release(settings)
    known = [row for row in kept_releases(settings, ledger) if datetime.fromisoformat(row["as_of"].rstrip("Z")) <= moment]
    newest = max(known, key=lambda row: (row["as_of"], row["published_at"]), default=None)
    return settings.releases / newest["release_id"] if newest else None


def find_release(settings: Settings, ledger: Ledger, moment: datetime | None) -> Path:
    """As `release_at`, where one is needed.

    Raises:
        SettingsError: nothing is published yet, or all that is kept knows more than was known at `moment`.
    """
    folder = release_at(settings, ledger, moment)
    if folder is None:
        oldest = min(kept_releases(settings, ledger), key=lambda row: str(row["as_of"]), default={})
        key = "release.none_as_old" if moment is not None and oldest else "release.nothing_at_all"
        places = {"at": write_utc(str(moment)), "release": oldest.get("release_id"), "as_of": write_utc(str(oldest.get("as_of")))}
        raise SettingsError(say(key, "zh", **places), say(key, "en", **places))
    return folder


def audience_file(folder: Path, reader: Reader) -> Path | None:
    """The reader's file in a release, null where the release has none for it."""
    listed = {entry["name"]: entry["file"] for entry in listed_audiences(read_manifest(folder))}
    name = listed.get(reader.name)
    path = folder / name if name else None
    return path if path is not None and path.is_file() else None


def parent_of(settings: Settings, folder: Path) -> Path | None:
    """The release before, while its files are kept."""
    parent = read_manifest(folder)["parent_release_id"]
    path = settings.releases / parent if parent else None
    return path if path is not None and path.is_dir() else None


@contextmanager
def reader_files(settings: Settings, folder: Path, reader: Reader) -> Iterator[tuple[Path, Path | None]]:
    """The reader's file of a release and of the one before it; an enterprise's are made for the moment and removed again.

    Raises:
        UnknownReader: the release has no file for this reader.
    """
    before = parent_of(settings, folder)
    if reader.kind == ENTERPRISE:
        with TemporaryDirectory(prefix="tanlian-") as scratch:
            now = _view(folder, reader, Path(scratch) / f"{reader.name}.duckdb")
            if now is None:
                raise UnknownReader(folder, reader)
            earlier = _view(before, reader, Path(scratch) / "before.duckdb") if before else None
            yield now, earlier
        return
    file = audience_file(folder, reader)
    if file is None:
        raise UnknownReader(folder, reader)
    yield file, audience_file(before, reader) if before else None


def _view(folder: Path, reader: Reader, target: Path) -> Path | None:
    source = audience_file(folder, Reader(MINISTRY))
    found = write_enterprise_view(source, reader.member or "", target) if source else False
    return target if found else None
