"""A comparison of two states of the warehouse: what changed, and why sector means moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from warehouse.comparison.attribution import Attribution, State, attribute
from warehouse.comparison.diff import CHANGES, MartChange, compared, find_changes, find_effects, largest_changes
from warehouse.comparison.mixture import Clocks, compiled_models, mart_keys
from warehouse.facts import is_demonstration, says_demonstration
from warehouse.kept_lists import released_lists
from warehouse.ledger import Ledger
from warehouse.quarantine import quoted
from warehouse.release import current_release, read_manifest
from warehouse.settings import Settings, SettingsError

MINISTRY = "ministry.duckdb"


@cache
def declared_effects() -> list[dict[str, Any]]:
    """What a reader asks first, as `effects.yaml` declares it."""
    found: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("effects.yaml").read_text(encoding="utf-8"))["effects"]
    return found


@dataclass(frozen=True)
class Comparison:
    """Two states and what lies between them."""

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    marts: Sequence[MartChange]
    largest: Sequence[Mapping[str, Any]]
    effects: Sequence[Mapping[str, Any]]
    attribution: Attribution
    is_demonstration: bool  # of either side: what is drawn from synthetic data must not be quoted, wherever it stands


def release_folder(settings: Settings, ledger: Ledger, name: str) -> Path:
    """The folder of a release: by its id or the beginning of it, `current`, or `previous` (the parent of the one in force).

    Raises:
        SettingsError: there is none, or its files are not kept any more.
    """
    current = current_release(settings)
    if name in ("current", "previous"):
        if current is None:
            raise SettingsError("还没有发布", "nothing has been published yet")
        if name == "current":
            return current
        name = str(read_manifest(current)["parent_release_id"] or "")
        if not name:
            raise SettingsError("这是第一个发布，没有更早的", "this is the first release: there is none before it")
    listed = [row["release_id"] for row in ledger.releases() if row["release_id"].startswith(name)]
    if len(listed) != 1:
        known = ", ".join(row["release_id"] for row in ledger.releases())
        raise SettingsError(f"没有（或不止一个）发布 {name}，已有：{known}", f"no (or more than one) release {name}, known: {known}")
    folder = settings.releases / str(listed[0])
    if not folder.is_dir():
        raise SettingsError(f"发布 {listed[0]} 的文件已不保留", f"the files of release {listed[0]} are not kept any more")
    return folder


def read_state(settings: Settings, folder: Path) -> State:
    """A release as one side of a comparison."""
    manifest = read_manifest(folder)
    clocks = Clocks(manifest["as_of"].rstrip("Z"), manifest["rule_date"])
    lists = released_lists(settings, folder, manifest)
    return State(manifest["release_id"], folder / MINISTRY, manifest["deliveries"], lists, clocks, manifest["code_version"])


def told(state: State) -> dict[str, Any]:
    return {
        "release_id": state.release_id,
        "as_of": state.clocks.as_of,
        "rule_date": state.clocks.rule_date,
        "code_version": state.code_version,
        "deliveries": len({entry["delivery_id"] for entry in state.deliveries}),
    }


def compare(
    settings: Settings, ledger: Ledger, first: State, second: State, version: str, limit: int = 20, changes_to: Path | None = None
) -> Comparison:
    """Compare two states.

    Args:
        version: of the code at hand, which evaluates the mixtures.
        limit: how many single cells are told; `changes_to` takes all of them, as Parquet.
    """
    graph = compiled_models(settings, version)
    with compared(first.marts, second.marts) as con:
        marts = find_changes(con, mart_keys(graph))
        largest = largest_changes(con, limit)
        effects = find_effects(con, declared_effects())
        if changes_to is not None:
            con.execute(f"copy (from {CHANGES} order by all) to {quoted(changes_to)} (format parquet)")
    synthetic = is_demonstration(settings) or any(says_demonstration(state.marts) for state in (first, second))
    attribution = attribute(settings, ledger, graph, first, second)
    return Comparison(told(first), told(second), marts, largest, effects, attribution, synthetic)
