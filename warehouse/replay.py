"""Run a build's models again in this process: the compiled SQL and the Python models as dbt ran them, without dbt.

A build compiles its models once; what they give follows from landing and the lists alone. So a figure can be explained, and a changed
row followed, on any copy of those tables in seconds. What dbt adds to the SQL, the types that a contract enforces, is added here too.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

DATABASE = "warehouse"
_PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"


class ReplayError(RuntimeError):
    """Models that cannot be run again; says which and why."""


@dataclass(frozen=True)
class Model:
    """One model as a build compiled it.

    `parents` are `schema.name`; `types` are the columns of an enforced contract, in order, empty without one. `columns` are those its YAML
    describes, `outputs` those of the table that it made. `key` is what the model's `unique_combination` test names. A Python model's code
    is that of the checkout at `path`: nothing kept with a release is executed but SQL. `lineage` and `surrogates` are the YAML's `meta`:
    what a Python model's rows are made of, and columns that only number the rows.
    """

    name: str
    schema: str
    language: str
    code: str
    path: str
    parents: tuple[str, ...]
    types: dict[str, str]
    columns: dict[str, str]
    outputs: tuple[str, ...]
    key: tuple[str, ...]
    description: str
    config: dict[str, Any]
    lineage: list[dict[str, Any]]
    surrogates: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class ModelGraph:
    """All models of a build, by `schema.name`, parents first."""

    models: dict[str, Model]

    @cached_property
    def children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for model in self.models.values():
            for parent in model.parents:
                found.setdefault(parent, []).append(model.place)
        return found

    def marts(self) -> list[Model]:
        return [model for model in self.models.values() if model.schema == "marts"]

    def ancestors(self, places: Iterable[str]) -> list[Model]:
        """The models that these need, themselves included, parents first."""
        wanted, queue = set(), list(places)
        while queue:
            place = queue.pop()
            if place in self.models and place not in wanted:
                wanted.add(place)
                queue += self.models[place].parents
        return [model for place, model in self.models.items() if place in wanted]

    def descendants(self, places: Iterable[str]) -> list[Model]:
        """The models that need any of these (tables of any schema), parents first."""
        wanted, queue = set(), list(places)
        while queue:
            for child in self.children.get(queue.pop(), []):
                if child not in wanted:
                    wanted.add(child)
                    queue.append(child)
        return [model for place, model in self.models.items() if place in wanted]

    def as_json(self) -> str:
        return json.dumps([asdict(model) for model in self.models.values()], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelGraph:
        lists = ("parents", "outputs", "key", "surrogates")
        models = [Model(**(item | {name: tuple(item.get(name, ())) for name in lists})) for item in json.loads(text)]
        return cls({model.place: model for model in models})


def read_graph(manifest: Path, warehouse: Path | None = None) -> ModelGraph:
    """The models of a build, parents first, from the `manifest.json` that dbt left; with the build's DuckDB file also what columns each made.

    Raises:
        ReplayError: the manifest holds no compiled models.
    """
    document = json.loads(manifest.read_text(encoding="utf-8"))
    nodes = document["nodes"] | document["sources"]
    keys = _read_keys(document)
    outputs = {} if warehouse is None else _read_outputs(warehouse)
    models = {}
    for unique_id, node in document["nodes"].items():
        if node["resource_type"] == "model":
            if not node.get("compiled_code"):
                raise ReplayError(f"{node['name']}: 没有编译结果 / not compiled")
            models[unique_id] = _read_model(node, nodes, keys.get(unique_id, ()), outputs)
    ordered: dict[str, Model] = {}

    def add(unique_id: str) -> None:
        model = models[unique_id]
        if model.place not in ordered:
            for parent in document["nodes"][unique_id]["depends_on"]["nodes"]:
                if parent in models:
                    add(parent)
            ordered[model.place] = model

    for unique_id in sorted(models):
        add(unique_id)
    return ModelGraph(ordered)


def _read_keys(document: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What makes a row of a model one: the columns its data test of uniqueness names."""
    keys = {}
    for node in document["nodes"].values():
        test = node.get("test_metadata") or {}
        if test.get("name") == "unique_combination":
            keys[node["attached_node"]] = tuple(test["kwargs"]["columns"])
        elif test.get("name") == "unique" and node.get("attached_node") not in keys:
            keys[node["attached_node"]] = (test["kwargs"]["column_name"],)
    return keys


def _read_outputs(warehouse: Path) -> dict[str, tuple[str, ...]]:
    """Every table and view of a build -> its columns, in order."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rows = con.execute(
            "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns()"
            " where not internal group by all"
        ).fetchall()
    return {place: tuple(columns) for place, columns in rows}


def _read_model(node: dict[str, Any], nodes: dict[str, Any], key: tuple[str, ...], outputs: dict[str, tuple[str, ...]]) -> Model:
    columns = node["columns"]
    enforced = node["config"].get("contract", {}).get("enforced")
    config = {name: value for name, value in node["config"].items() if isinstance(value, str | int | float | bool)}
    meta = node["config"].get("meta") or node.get("meta") or {}
    return Model(
        name=node["name"],
        schema=node["schema"],
        language=node["language"],
        code=node["compiled_code"] if node["language"] == "sql" else "",
        path=node["original_file_path"],
        parents=tuple(f"{nodes[parent]['schema']}.{nodes[parent]['name']}" for parent in node["depends_on"]["nodes"] if parent in nodes),
        types={name: column["data_type"] for name, column in columns.items()} if enforced else {},
        columns={name: column["description"] for name, column in columns.items()},
        outputs=outputs.get(f"{node['schema']}.{node['name']}", ()),
        key=key,
        description=node["description"],
        config=config,
        lineage=meta.get("lineage", []),
        surrogates=tuple(meta.get("surrogates", ())),
    )


@dataclass
class Replay:
    """A DuckDB connection whose attached database `warehouse` holds the tables that models read and write.

    `read` says where a model reads a table it names (`schema.name` -> SQL name); elsewhere it is the table of that name. So a run may
    read some tables from a finished build and others from a change of it.
    """

    con: duckdb.DuckDBPyConnection
    graph: ModelGraph
    database: str = DATABASE
    read: dict[str, str] = field(default_factory=dict)

    def table(self, place: str) -> str:
        schema, name = place.split(".", 1)
        return self.read.get(place, f'"{self.database}"."{schema}"."{name}"')

    def run(self, models: Iterable[Model], done: Callable[[Model], None] = lambda _: None) -> None:
        """Run models in the given order, each into its table of `database`."""
        for model in models:
            self.con.execute(f'create schema if not exists "{self.database}"."{model.schema}"')
            target = f'"{self.database}"."{model.schema}"."{model.name}"'
            if model.language == "sql":
                self.con.execute(f"create or replace table {target} as {self.select(model)}")
            else:
                self.con.register("_model_result", self.run_python(model))
                self.con.execute(f"create or replace table {target} as select * from _model_result")
                self.con.unregister("_model_result")
            self.read.pop(model.place, None)
            done(model)

    def select(self, model: Model) -> str:
        """The model's SQL over this replay's tables, typed as its contract says."""
        code = model.code
        for parent in model.parents:
            schema, name = parent.split(".", 1)
            code = code.replace(f'"{DATABASE}"."{schema}"."{name}"', self.table(parent))
        if not model.types:
            return code
        typed = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in model.types.items())
        return f"select {typed} from ({code})"

    def run_python(self, model: Model) -> Any:
        """What a Python model gives, run from the checkout.

        Raises:
            ReplayError: the checkout has no such model any more.
        """
        path = _PROJECT / model.path
        if not path.is_file():
            raise ReplayError(f"{model.name}: 本版本没有这个模型 / this version of the code has no such model")
        specification = importlib.util.spec_from_file_location(f"tanlian_model_{model.name}", path)
        if specification is None or specification.loader is None:
            raise ReplayError(f"{model.name}: {path}")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module.model(_Dbt(self, model), self.con)


class _Config:
    """`dbt.config` of a Python model: the settings of its YAML."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __call__(self, **_: Any) -> None:
        """A model states how it is stored; a replay stores every model as a table."""

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)


class _Dbt:
    """What a Python model asks of dbt."""

    def __init__(self, replay: Replay, model: Model) -> None:
        self._replay = replay
        self._places = {place.split(".", 1)[1]: place for place in model.parents}
        self.config = _Config(model.config)

    def ref(self, name: str) -> duckdb.DuckDBPyRelation:
        return self._replay.con.sql(f"select * from {self._replay.table(self._places[name])}")
