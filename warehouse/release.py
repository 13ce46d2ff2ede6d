"""Releases: build, gate, hash, publish. A release is a folder at a new path and a pointer names the one in force.

Killed anywhere, the old release stays in force and the next run ends with the same content: the folder gets its name in one rename,
then the ledger lists it, then the pointer is switched in one rename.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from expectations.gate import Gatekeeper, GateResult
from ingest.contract import read_contracts
from ingest.delivery import sync_folder
from ingest.reference import ReferenceLists
from warehouse.audience import read_policy
from warehouse.audience_files import add_late_tables, file_hash, write_audience_files
from warehouse.borrower_changes import TABLE as CHANGES
from warehouse.borrower_changes import compare_borrowers
from warehouse.build import PROJECT, PUBLIC_TOTALS, Build, BuildRefused, build
from warehouse.content import mart_hashes
from warehouse.custody.chain import MANIFEST
from warehouse.custody.sealing import seal_release, sync_file
from warehouse.facts import own_tables, used_waivers
from warehouse.isolation import judge_files
from warehouse.kept_lists import LISTS, keep_lists
from warehouse.ledger import Ledger
from warehouse.lineage.kept import keep_lineage
from warehouse.settings import ROOT, Settings, china_day, utc_now

CURRENT = "current"
_CODE = ("dbt_project/models", "dbt_project/macros", "dbt_project/tests", "ingest", "warehouse", "expectations")
_CODE_SUFFIXES = {".py", ".sql", ".yml", ".yaml"}


class NothingEarlier(LookupError):
    """There is no earlier release whose files are kept."""


class ReleaseRefused(RuntimeError):
    """A gate stopped the release; the one in force stays. `gates` says which and why."""

    def __init__(self, gates: list[dict[str, Any]]) -> None:
        failed = [gate["suite"] for gate in gates if not gate["success"]]
        super().__init__(f"闸门未通过，未发布 / gates did not pass, nothing published: {', '.join(failed)}")
        self.gates = gates


class NotRestorable(LookupError):
    """A release that cannot be put in force again: a code (`not_withdrawn`, `overtaken`, `damaged`) and what it is about."""

    def __init__(self, code: str, names: list[str]) -> None:
        super().__init__(code, names)
        self.code, self.names = code, names


@dataclass(frozen=True)
class Outcome:
    """What a run of `release` did: `published` or `nothing_new`; `withdrawn` is the release of the same inputs that a person rolled back."""

    status: str
    release_id: str | None
    manifest: dict[str, Any] | None
    withdrawn: str | None = None


def code_version() -> str:
    """Package version and a hash of the code that shapes figures."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in _CODE_SUFFIXES:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    digest.update((PROJECT / "dbt_project.yml").read_bytes())
    return f"0.1.0+{digest.hexdigest()[:12]}"


def current_release(settings: Settings) -> Path | None:
    """Folder of the release in force."""
    pointer = settings.releases / CURRENT
    return pointer.resolve() if pointer.is_symlink() and pointer.exists() else None


def read_manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def listed_inputs(ledger: Ledger, as_of: datetime) -> list[dict[str, Any]]:
    """The landing files known at an instant, as a manifest names them."""
    return [
        {
            "source": source,
            "path": row["path"],
            "delivery_id": row["delivery_id"],
            "row_count": row["row_count"],
            "received_at": row["received_at"],
        }
        for source in read_contracts()
        for row in ledger.landing_files(source, as_of)
    ]


def _clocks(settings: Settings, moment: datetime, is_fixed: bool, rule_date: str | None) -> str:
    """What the clocks add to the inputs. A day that nobody gave counts only by the dated rules it brings into force."""
    known = china_day(moment) if is_fixed else ""
    return f"{known}|{rule_date or known or _rules_in_force(settings, china_day(moment))}"


def _input_hash(settings: Settings, inputs: list[dict[str, Any]], clocks: str) -> str:
    """Hash of everything a release follows from."""
    digest = hashlib.sha256()
    for entry in inputs:
        digest.update(json.dumps(entry, sort_keys=True).encode())
    digest.update(ReferenceLists(overlay=settings.reference).content_hash.encode())
    digest.update(code_version().encode())
    digest.update(clocks.encode())
    return digest.hexdigest()


def _rules_in_force(settings: Settings, rule_date: str) -> str:
    """The newest `valid_from` of any dated seed not after the day: it moves only when a rule comes into force."""
    reference = ReferenceLists(overlay=settings.reference)
    dated = [name for name, types in reference.types.items() if "valid_from" in types and name in reference.files]
    with duckdb.connect() as con:
        reference.load(con)
        found = [
            con.execute(
                f'select cast(max(valid_from) as varchar) from reference."{name}" where valid_from <= cast(? as date)', [rule_date]
            ).fetchone()
            for name in dated
        ]
    return max((row[0] for row in found if row and row[0]), default="")


def release(
    settings: Settings,
    ledger: Ledger,
    as_of: datetime | None = None,
    gatekeeper: Gatekeeper | None = None,
    say: Callable[[str], None] = lambda _: None,
    rule_date: str | None = None,
) -> Outcome:
    """Build, gate and publish, unless nothing has changed since the release in force.

    Args:
        as_of: what was received until then (UTC without zone; default now).
        rule_date: the day whose rules hold; default the local day of `as_of`.

    Raises:
        ReleaseRefused: a gate or a data test failed; nothing is published.
    """
    settings.releases.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.data / "release.lock"):
        _repair(settings, ledger)
        moment = as_of or utc_now()
        inputs = listed_inputs(ledger, moment)
        digest = _input_hash(settings, inputs, _clocks(settings, moment, as_of is not None, rule_date))
        parent = current_release(settings)
        if parent is not None:
            current = read_manifest(parent)
            withdrawn = None if current["input_hash"] == digest else _find_withdrawn(ledger, digest)
            if current["input_hash"] == digest or withdrawn is not None:
                return Outcome("nothing_new", parent.name, current, withdrawn)
        keeper = gatekeeper or Gatekeeper(settings.gates)
        made, gates = built_and_gated(settings, ledger, (moment, rule_date), parent, keeper, say)
        say("publish")
        manifest = _describe(settings, ledger, made, gates, inputs, digest, parent)
        _publish(settings, ledger, made, manifest)
        _prune(settings, ledger)
        return Outcome("published", manifest["release_id"], read_manifest(settings.releases / manifest["release_id"]))


def _find_withdrawn(ledger: Ledger, digest: str) -> str | None:
    """The release of the same inputs that was rolled back: what a person withdrew does not come back by itself."""
    alike = [row["release_id"] for row in ledger.releases() if row["input_hash"] == digest and row["status"] == "rolled_back"]
    return str(alike[-1]) if alike else None


def built_and_gated(
    settings: Settings,
    ledger: Ledger,
    clocks: tuple[datetime, str | None],
    parent: Path | None,
    keeper: Gatekeeper,
    say: Callable[[str], None],
) -> tuple[Build, list[dict[str, Any]]]:
    """A build that every gate let pass, and what they said.

    Raises:
        ReleaseRefused: one did not.
    """
    moment, rule_date = clocks
    subject = f"release:{moment.isoformat()}"
    try:
        made = build(settings, ledger, moment, say, rule_date)
    except BuildRefused as refusal:
        failed = {
            "suite": "dbt.data_tests",
            "severity": "critical",
            "success": False,
            "checks_run": len(refusal.tests),
            "rows_examined": 0,
            "failures": [{"check": test, "severity": "critical"} for test in refusal.tests],
        }
        ledger.record_gate(subject, failed)
        raise ReleaseRefused([failed]) from refusal
    say("gate")
    results: list[GateResult] = keeper.judge_marts(made.warehouse, parent / "ministry.duckdb" if parent else None)
    gates = [_tests_as_gate(made)] + [{"severity": "critical"} | result.as_dict() for result in results]
    for gate in gates:
        ledger.record_gate(subject, gate)
    keeper.build_docs()
    if not results or not all(gate["success"] for gate in gates):
        raise ReleaseRefused(gates)
    return made, gates


def _tests_as_gate(made: Build) -> dict[str, Any]:
    """dbt's own data tests, as a gate: it, too, must have run something."""
    tests = [result for result in made.results if result["node"].startswith("test.")]
    with duckdb.connect(str(made.warehouse), read_only=True) as con:
        counted = con.execute("select sum(estimated_size) from duckdb_tables() where schema_name = 'marts'").fetchone()
    rows = int((counted or [0])[0] or 0)
    return {
        "suite": "dbt.data_tests",
        "severity": "critical",
        "success": bool(tests) and rows > 0,
        "checks_run": len(tests),
        "rows_examined": rows,
        "failures": [],
        "seconds": made.seconds,
    }


def _describe(
    settings: Settings,
    ledger: Ledger,
    made: Build,
    gates: list[dict[str, Any]],
    inputs: list[dict[str, Any]],
    digest: str,
    parent: Path | None,
) -> dict[str, Any]:
    """The manifest, but for what is known only once the release's files are there."""
    marts = mart_hashes(made.warehouse)
    content = hashlib.sha256(json.dumps({name: mart["content_hash"] for name, mart in marts.items()}, sort_keys=True).encode()).hexdigest()
    # The parent counts: the same inputs again after another release (a clock set back and forth) make a release of their own, and the
    # first one, which others may name as their parent, stays as it was.
    origin = digest + content + (parent.name if parent else "")
    return {
        "release_id": f"{made.rule_date.replace('-', '')}-{hashlib.sha256(origin.encode()).hexdigest()[:10]}",
        "parent_release_id": parent.name if parent else None,
        "parent_manifest_hash": file_hash(parent / MANIFEST) if parent else None,
        "as_of": made.as_of.isoformat() + "Z",
        "rule_date": made.rule_date,
        "published_at": utc_now().isoformat() + "Z",
        "code_version": code_version(),
        "contract_versions": {contract.source: contract.version for contract in read_contracts().values()},
        "reference_hash": ReferenceLists(overlay=settings.reference).content_hash,
        "input_hash": digest,
        "content_hash": content,
        "marts": marts,
        "gates": gates,
        "waivers": used_waivers(ledger, made.as_of),
        "deliveries": inputs,
    }


def _fill(settings: Settings, ledger: Ledger, made: Build, manifest: dict[str, Any], folder: Path) -> None:
    """Write a release's files into a folder that is not yet a release, and into its manifest what they are.

    Raises:
        ReleaseRefused: a file holds what is not its reader's.
    """
    policy = read_policy()
    manifest["public_totals"] = write_public_totals(made.warehouse, folder / PUBLIC_TOTALS)
    manifest["lineage"] = keep_lineage(made.warehouse.parent, folder)
    keep_lists(ReferenceLists(overlay=settings.reference), folder / LISTS)
    parent = settings.releases / manifest["parent_release_id"] if manifest["parent_release_id"] else None
    tables = own_tables(settings, ledger, manifest, made.as_of)
    tables[CHANGES] = compare_borrowers(made.warehouse, parent / "ministry.duckdb" if parent else None)
    audiences = write_audience_files(policy, made.warehouse, tables, made.rule_date, folder)
    searched = {"severity": "critical"} | judge_files(policy, audiences, made.warehouse, folder).as_dict()
    ledger.record_gate(f"release:{made.as_of.isoformat()}", searched)
    manifest["gates"] = [*manifest["gates"], searched]
    if not searched["success"]:
        raise ReleaseRefused(manifest["gates"])
    add_late_tables(audiences, own_tables(settings, ledger, manifest, made.as_of), folder)
    manifest["notices"] = _put_notices(settings, ledger, (parent, made, manifest), folder)
    manifest["ledger"] = ledger.audit_head()
    seal_release(folder, manifest, audiences, policy, parent)


def _publish(settings: Settings, ledger: Ledger, made: Build, manifest: dict[str, Any]) -> None:
    folder = settings.releases / manifest["release_id"]
    temporary = settings.releases / f".making-{folder.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _fill(settings, ledger, made, manifest, temporary)
    except ReleaseRefused:
        shutil.rmtree(temporary)
        raise
    if folder.exists():
        shutil.rmtree(folder)  # left by a run that was killed before the ledger listed it
    temporary.rename(folder)
    sync_folder(settings.releases)
    _list(ledger, folder)
    point_to(settings, folder.name)


def _put_notices(settings: Settings, ledger: Ledger, states: tuple[Path | None, Build, dict[str, Any]], folder: Path) -> dict[str, str]:
    """The restatement notices beside the manifest; gives each file's sha256."""
    from warehouse.comparison.notice import draw_notices  # what draws them reads releases, and so this module

    parent, made, manifest = states
    hashes = {}
    for name, text in draw_notices(settings, ledger, parent, made, manifest).items():
        (folder / name).write_text(text, encoding="utf-8")
        sync_file(folder / name)
        hashes[name] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


def write_public_totals(warehouse: Path, target: Path) -> dict[str, Any]:
    """What has been public up to this release, and what it withheld: the next one must not give it away (methods.md M4).

    It holds withheld figures, so it stands beside the release and is part of no audience's file; every release repeats those before it,
    since their files are pruned.
    """
    names = "product_code, boundary, gwp_set, reporting_year, version, province_code, total_t_co2e, is_published, is_protected"
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute(
            f"copy (select {names} from intermediate.int_footprint__totals_published union"
            f" select {names} from intermediate.int_footprint__cells_suppressed order by all)"
            f" to '{str(target).replace(chr(39), chr(39) * 2)}' (format parquet)"
        )
        count = con.execute("select count(*) from read_parquet(?)", [str(target)]).fetchone() or (0,)
    target.chmod(0o444)
    sync_file(target)
    return {"row_count": int(count[0]), "sha256": file_hash(target)}


def _list(ledger: Ledger, folder: Path) -> None:
    manifest = read_manifest(folder)
    known = {name: manifest[name] for name in ("release_id", "parent_release_id", "published_at", "as_of", "input_hash")}
    ledger.record_release(known | {"manifest_hash": file_hash(folder / MANIFEST)})


def point_to(settings: Settings, release_id: str) -> None:
    """Switch the pointer in one rename: a reader sees the old release or the new one, never neither."""
    temporary = settings.releases / f".{CURRENT}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(release_id)
    temporary.replace(settings.releases / CURRENT)
    sync_folder(settings.releases)


def _repair(settings: Settings, ledger: Ledger) -> None:
    """Finish what a killed run began: drop half-made and unlisted folders, and point to the newest listed release if the pointer lags behind it."""
    for path in settings.releases.glob(".making-*"):
        shutil.rmtree(path, ignore_errors=True)
    known = {row["release_id"] for row in ledger.releases()}
    for path in settings.releases.iterdir():
        if path.is_dir() and not path.is_symlink() and path.name not in known:
            shutil.rmtree(path)
    listed = kept_releases(settings, ledger)
    if listed and current_release(settings) != (settings.releases / listed[-1]["release_id"]).resolve():
        point_to(settings, listed[-1]["release_id"])


def _prune(settings: Settings, ledger: Ledger) -> None:
    """Remove the files of releases beyond the last `keep_releases`; the ledger keeps their record."""
    there = [row for row in ledger.releases() if row["status"] != "removed" and (settings.releases / row["release_id"]).is_dir()]
    in_force = current_release(settings)
    for row in there[: -settings.keep_releases]:
        folder = settings.releases / row["release_id"]
        if folder.resolve() != in_force:
            ledger.mark_release(row["release_id"], "removed", "removed")
            shutil.rmtree(folder)


def roll_back(settings: Settings, ledger: Ledger) -> tuple[str, str]:
    """Put the release before the one in force back in force; the withdrawn one is kept and marked. Gives both, the withdrawn one first.

    Raises:
        NothingEarlier: there is no earlier release whose files are kept.
    """
    with FileLock(settings.data / "release.lock"):
        published = kept_releases(settings, ledger)
        if len(published) < 2:
            raise NothingEarlier("there is no earlier release to roll back to")
        withdrawn, restored = published[-1], published[-2]
        ledger.mark_release(withdrawn["release_id"], "rolled_back", "rolled_back")
        point_to(settings, restored["release_id"])
    return str(withdrawn["release_id"]), str(restored["release_id"])


def restore_release(settings: Settings, ledger: Ledger, release_id: str) -> None:
    """Put a withdrawn release in force again, as it was published. The audit chain tells of both, the withdrawal and this.

    Raises:
        NotRestorable: it was not withdrawn (or its files are gone), a later one is in force, or it is no longer what was published.
    """
    from warehouse.custody.verification import verify_release

    with FileLock(settings.data / "release.lock"):
        withdrawn = {row["release_id"]: row for row in kept_releases(settings, ledger, "rolled_back")}
        if release_id not in withdrawn:
            raise NotRestorable("not_withdrawn", list(withdrawn))
        # The newest published release is the one in force, here as everywhere: an older one would be overtaken at the next run.
        when = withdrawn[release_id]["published_at"]
        later = [row["release_id"] for row in kept_releases(settings, ledger) if row["published_at"] > when]
        if later:
            raise NotRestorable("overtaken", later)
        faults = verify_release(settings.releases / release_id).faults
        if faults:
            raise NotRestorable("damaged", [f"{fault.code} {fault.place}" for fault in faults])
        ledger.mark_release(release_id, "published", "restored")
        point_to(settings, release_id)


def kept_releases(settings: Settings, ledger: Ledger, status: str = "published") -> list[dict[str, Any]]:
    """The releases of a status whose files are there, oldest first."""
    return [row for row in ledger.releases() if row["status"] == status and (settings.releases / row["release_id"]).is_dir()]
