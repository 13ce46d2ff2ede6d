"""Makes an evidence pack: an RO-Crate with the rows, their proofs, and two ways to check them offline."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from warehouse.audience import Policy
from warehouse.audience_files import list_alike, opened_build
from warehouse.custody.chain import MANIFEST, Anchor, mart_proof, page, release_facts
from warehouse.custody.evidence.check import EVIDENCE, FORMAT, METADATA
from warehouse.custody.row_trees import SALTS, mart_tree, part_hash, row_leaf, rows_query
from warehouse.lineage.steps import DIALECT

HERE = Path(__file__).parent
SCRIPT, VIEW, ANCHOR, READ_ME = "verify.js", "verify.html", "anchor.txt", "README.md"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_FORMATS = {".json": "application/json", ".js": "text/javascript", ".html": "text/html", ".txt": "text/plain", ".md": "text/markdown"}


class EvidenceError(ValueError):
    """Nothing to prove: no such audience, mart or column, or no row that fits; carries the message key and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(f"{key}: {values}")
        self.key, self.values = key, values


def _chosen_rows(own: duckdb.DuckDBPyConnection, policy: Policy, mart: str, where: str | None) -> list[tuple[str, str]] | None:
    """JSON of the open and the restricted columns of the audience's own rows; None where the condition is not about this mart."""
    columns = own.execute("select column_name from duckdb_columns() where table_name = ? and schema_name = 'marts'", [mart]).fetchall()
    if not columns:
        return None
    inner = rows_query(own, policy, mart, "")
    condition = f" where {where}" if where else ""
    try:
        own.execute(f'create or replace temp table kept as select rowid as place from marts."{mart}"{condition}')
    except duckdb.BinderException:
        return None
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError, duckdb.PermissionException) as error:
        raise EvidenceError("evidence.condition", message=str(error).splitlines()[0]) from error
    return own.execute(f"select open_json, restricted_json from ({inner}) where place in (select place from kept)").fetchall()


def _unbound(own: duckdb.DuckDBPyConnection, marts: list[str], where: str) -> EvidenceError:
    """Why a condition is about none of the marts: a column that none has, columns that none has together, or values that do not fit."""
    query = "select table_name, column_name from duckdb_columns() where schema_name = 'marts' and list_contains(?, table_name)"
    holders: dict[str, set[str]] = {}
    for mart, column in own.execute(query, [marts]).fetchall():
        holders.setdefault(column, set()).add(mart)
    try:
        named = sorted({column.name for column in parse_one(where, dialect=DIALECT).find_all(exp.Column)})
    except SqlglotError:
        named = []
    unknown = [column for column in named if column not in holders]
    if unknown:
        return EvidenceError("evidence.no_column", column=", ".join(unknown), known=", ".join(sorted(holders)))
    if named and not set.intersection(*(holders[column] for column in named)):
        places = "; ".join(f"{column} ({', '.join(sorted(holders[column]))})" for column in named)
        return EvidenceError("evidence.apart", places=places)
    return EvidenceError("evidence.condition", message=where[:200])


def _prove_mart(
    ministry: duckdb.DuckDBPyConnection, policy: Policy, manifest: dict[str, Any], mart: str, key: str, rows: list[tuple[str, str]]
) -> dict[str, Any]:
    """Proofs for rows of an audience: the same rows in the ministry's file, with the way to the root of its tree."""
    tree = mart_tree(ministry, policy, mart, key)
    shown = dict(rows)
    proved = []
    query = (
        f"select open_salt, open_json, restricted_salt, restricted_json from ({rows_query(ministry, policy, mart, key)})"
        " where open_json in (select unnest(?::varchar[]))"
    )
    for open_salt, open_json, restricted_salt, restricted_json in ministry.execute(query, [list(shown)]).fetchall():
        restricted = part_hash(restricted_salt, restricted_json)
        index = tree.find(row_leaf(part_hash(open_salt, open_json), restricted))
        is_shown = shown[open_json] == restricted_json
        proved.append(
            {
                "open": {"salt": open_salt, "json": open_json},
                "restricted": {"salt": restricted_salt, "json": restricted_json} if is_shown else {"hash": restricted},
                "index": index,
                "path": [node.hex() for node in tree.path(index)],
            }
        )
    sealed = mart_proof(manifest, mart)
    return {"mart": mart} | {name: sealed[name] for name in ("leaf", "index", "size", "path")} | {"rows": proved}


def collect_evidence(folder: Path, policy: Policy, name: str, where: str | None = None, marts: list[str] | None = None) -> dict[str, Any]:
    """The rows of an audience in a release, with their proofs.

    Args:
        folder: the release's folder.
        name: the audience's name.
        where: SQL over a mart's columns; marts that lack them are left out. It sees the audience's own file and nothing else.
        marts: of which marts; those that the policy filters for this audience when not given.

    Raises:
        EvidenceError: there is nothing to prove.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    entry = next((entry for entry in manifest["audiences"] if isinstance(entry, dict) and entry["name"] == name), None)
    if entry is None:
        known = ", ".join(list_alike(manifest, name.partition("_")[0]))
        raise EvidenceError("evidence.no_audience", release=folder.name, name=name, known=known)
    if "trees" not in manifest:
        raise EvidenceError("evidence.no_trees", release=folder.name)
    provable = [mart for mart in entry["marts"] if mart in manifest["trees"]]
    unknown = [mart for mart in marts or [] if mart not in provable]
    if unknown:
        raise EvidenceError("evidence.no_mart", name=name, mart=", ".join(unknown), known=", ".join(provable))
    filtered = [mart for mart in provable if (choice := policy.choice(entry["kind"], mart)) and choice.where]
    key = (folder / SALTS).read_text(encoding="ascii")
    proofs, asked = [], 0
    with (
        duckdb.connect(str(folder / entry["file"]), read_only=True, config={"enable_external_access": "false"}) as own,
        opened_build(folder / "ministry.duckdb") as ministry,
    ):
        for mart in marts or filtered:
            rows = _chosen_rows(own, policy, mart, where)
            asked += rows is not None
            if rows:
                proofs.append(_prove_mart(ministry, policy, manifest, mart, key, rows))
        if where and not asked:
            raise _unbound(own, marts or filtered, where)
    if not proofs:
        raise EvidenceError("evidence.no_row" if where else "evidence.nothing", release=folder.name, name=name, where=where)
    audience = {part: entry[part] for part in ("name", "kind", "member", "title")}
    return {"format": FORMAT, "audience": audience, "release": release_facts(manifest), "custody": manifest["custody"], "marts": proofs}


def _describe(files: dict[str, bytes], evidence: dict[str, Any]) -> bytes:
    """RO-Crate 1.1 metadata of a pack."""
    facts, title = evidence["release"], evidence["audience"]["title"]
    rows = sum(len(mart["rows"]) for mart in evidence["marts"])
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"碳联发布 {facts['release_id']} 的证据 / Evidence of Tanlian release {facts['release_id']}",
            "description": f"{title['zh']}：{rows} 行及其归属证明 / {title['en']}: {rows} rows with proof that they belong to the release",
            "identifier": facts["release_id"],
            "version": evidence["custody"]["chain"],
            "datePublished": facts["published_at"],
            "license": {"@id": "#terms"},
            "hasPart": [{"@id": name} for name in sorted(files)],
        },
        {
            "@id": "#terms",
            "@type": "CreativeWork",
            "name": "仅供该读者及其出示对象使用 / For its reader and those it is shown to",
        },
    ]
    graph += [
        {
            "@id": name,
            "@type": "File",
            "name": name,
            "encodingFormat": _FORMATS[Path(name).suffix],
            "contentSize": str(len(content)),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in sorted(files.items())
    ]
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
    return page({"@context": context, "@graph": graph})


def build_pack(evidence: dict[str, Any], anchor: Anchor) -> dict[str, bytes]:
    """The files of a pack, by name."""
    script = (HERE / SCRIPT).read_text(encoding="utf-8")
    view = (HERE / VIEW).read_text(encoding="utf-8").replace("/* verify.js */", script)
    files = {
        EVIDENCE: page(evidence),
        SCRIPT: script.encode(),
        VIEW: view.encode(),
        ANCHOR: f"{anchor.line()}\n".encode(),
        READ_ME: (HERE / READ_ME).read_bytes(),
    }
    return {METADATA: _describe(files, evidence)} | files


def write_pack(files: dict[str, bytes], out: Path) -> Path:
    """Write a pack as a zip where the name ends so, else as a folder; the same pack gives the same bytes."""
    if out.suffix == ".zip":
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name, _EARLIEST), content, zipfile.ZIP_DEFLATED)
        return out
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return out
