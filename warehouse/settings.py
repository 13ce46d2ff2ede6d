"""Where everything lives and how much may be used: the one place that reads the environment."""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHINA = timezone(timedelta(hours=8))


class SettingsError(ValueError):
    """A setting or option that cannot be used; the message says what was expected, in the language that is asked, or in both."""

    def __init__(self, zh: str, en: str | None = None) -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, zh if en is None else en

    def __str__(self) -> str:
        return self.zh if self.en == self.zh else f"{self.zh} / {self.en}"

    def in_language(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


class UnknownSource(SettingsError):
    """A source for which there is no contract; says which there are."""

    def __init__(self, source: str, known: Iterable[str]) -> None:
        names = ", ".join(sorted(known))
        super().__init__(f"没有数据源 {source}，已有：{names}", f"there is no source {source}, known: {names}")


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant as UTC without zone; a day alone means its last second; without offset it is Asia/Shanghai.

    Raises:
        SettingsError: it is neither.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            text += "T23:59:59"
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"不是 ISO 8601 时间：{text!r}（例如 2026-10-31T23:59:59+08:00）",
            f"not an ISO 8601 instant: {text!r} (e.g. 2026-10-31T23:59:59+08:00)",
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=CHINA)
    return moment.astimezone(UTC).replace(tzinfo=None)


def parse_rule_date(text: str) -> str:
    """The day whose rules hold, as ISO 8601.

    Raises:
        SettingsError: it is no day.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise SettingsError(f"--rules：不是日期：{text!r}（例如 2024-12-31）", f"--rules: not a day: {text!r} (e.g. 2024-12-31)") from error


def china_day(moment: datetime) -> str:
    """The local day, in China, of a UTC instant without zone."""
    return moment.replace(tzinfo=UTC).astimezone(CHINA).date().isoformat()


def utc_now() -> datetime:
    """Now, UTC without zone, to the microsecond."""
    return datetime.now(UTC).replace(tzinfo=None)


def _language() -> str:
    chosen = os.environ.get("TANLIAN_LANG", "")
    if chosen in ("zh", "en"):
        return chosen
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")] + [locale.getlocale()[0] or ""]
    return "zh" if any(name.lower().startswith(("zh", "chinese")) for name in names) else "en"


@dataclass(frozen=True)
class Settings:
    """Paths and limits of one warehouse. `data` holds everything that is written."""

    data: Path
    reference: Path | None = None
    lang: str = "en"
    threads: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))
    keep_releases: int = 5
    largest_file_bytes: int = 4 * 1024**3
    airflow_port: int = 8080
    superset_port: int = 8088
    waiver_folder: Path | None = None
    workbook_lang: str = "zh"  # senders are spoken to in Chinese unless English is asked for, whatever this machine speaks
    connectors_folder: Path | None = None
    key_file: Path | None = None

    @property
    def api_keys(self) -> Path:
        """Hashes of the keys of the reading interface; best kept elsewhere than the data."""
        return self.key_file or self.data / "api_keys.yaml"

    @property
    def connectors(self) -> Path:
        """Folder of the connectors' YAML files."""
        return self.connectors_folder or self.data / "connectors"

    @property
    def fetch(self) -> Path:
        """What connectors remember."""
        return self.data / "fetch"

    @property
    def inbox(self) -> Path:
        return self.data / "inbox"

    @property
    def deliveries(self) -> Path:
        return self.data / "deliveries"

    @property
    def landing(self) -> Path:
        return self.data / "landing"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine"

    @property
    def builds(self) -> Path:
        return self.data / "builds"

    @property
    def releases(self) -> Path:
        return self.data / "releases"

    @property
    def gates(self) -> Path:
        return self.data / "gates"

    @property
    def receipts(self) -> Path:
        return self.data / "receipts"

    @property
    def waivers(self) -> Path:
        """Reviewed waivers of this deployment; best kept under version control, elsewhere than the data."""
        return self.waiver_folder or self.data / "waivers"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.sqlite"


def read_settings() -> Settings:
    """Settings from the environment: TANLIAN_DATA, TANLIAN_CONNECTORS, TANLIAN_REFERENCE, TANLIAN_LANG, TANLIAN_THREADS, TANLIAN_KEEP_RELEASES,
    TANLIAN_WAIVERS, TANLIAN_API_KEYS and the ports."""
    reference = os.environ.get("TANLIAN_REFERENCE")
    waivers = os.environ.get("TANLIAN_WAIVERS")
    connectors = os.environ.get("TANLIAN_CONNECTORS")
    keys = os.environ.get("TANLIAN_API_KEYS")
    settings = Settings(
        data=Path(os.environ.get("TANLIAN_DATA") or ROOT / "data").absolute(),
        reference=Path(reference).absolute() if reference else None,
        lang=_language(),
        keep_releases=int(os.environ.get("TANLIAN_KEEP_RELEASES", "5")),
        airflow_port=int(os.environ.get("TANLIAN_AIRFLOW_PORT", "8080")),
        superset_port=int(os.environ.get("TANLIAN_SUPERSET_PORT", "8088")),
        waiver_folder=Path(waivers).absolute() if waivers else None,
        workbook_lang="en" if os.environ.get("TANLIAN_LANG") == "en" else "zh",
        connectors_folder=Path(connectors).absolute() if connectors else None,
        key_file=Path(keys).absolute() if keys else None,
    )
    threads = os.environ.get("TANLIAN_THREADS")
    return settings if threads is None else Settings(**(settings.__dict__ | {"threads": int(threads)}))


def read_connection(name: str) -> str | None:
    """An Airflow connection as the environment gives it, JSON or address; it holds a secret and is kept nowhere."""
    return os.environ.get(f"AIRFLOW_CONN_{name.upper()}")
