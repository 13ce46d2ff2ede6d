"""The rules of the house for code: names, sizes, edges. Each finder is shown to find a planted offence before it is trusted with the project."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

Read = Callable[[Path], str]

PACKAGES = ("ingest", "expectations", "warehouse", "dashboards", "dags")
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc", "manager", "managers"}
LONGEST_MODULE = 500

# Who may touch the environment, and which names; "*" hands the whole environment to a child process.
ENVIRONMENT: dict[str, tuple[set[str], str]] = {
    "warehouse/cli.py": ({"TANLIAN_LANG", "TANLIAN_REFERENCE"}, "an option given to a command holds for the commands it starts"),
    "warehouse/build.py": ({"*"}, "dbt is a child process and reads its paths from the environment"),
    "warehouse/airflow_home.py": ({"*", "PATH", "TANLIAN_AIRFLOW_DB"}, "makes the environment of Airflow's processes"),
    "warehouse/dag_run.py": ({"TANLIAN_DATA"}, "runs as Airflow's child and is told its data directory that way"),
    "dags/command.py": (
        {"*", "TANLIAN_COMMAND"},
        "hands secrets to a command by its environment; lives in Airflow's process, which imports nothing of the pipeline",
    ),
    "dags/sources.py": (
        {"TANLIAN_SOURCES", "TANLIAN_CONNECTORS", "TANLIAN_DATA"},
        "lives in Airflow's process, which imports nothing of the pipeline",
    ),
    "dashboards/server.py": ({"*"}, "makes the environment of Superset's processes"),
    "dashboards/superset/superset_config.py": ({"TANLIAN_SUPERSET_HOME", "TANLIAN_LANG"}, "read by Superset, in an environment of its own"),
    "dashboards/superset/explain_page.py": ({"TANLIAN_COMMAND"}, "runs in Superset's environment, where the pipeline is not installed"),
    "dashboards/superset/prepare_metadata.py": (
        {"TANLIAN_SUPERSET_HOME", "TANLIAN_SUPERSET_ADMIN"},
        "runs in Superset's environment, where the pipeline is not installed",
    ),
}
SETTINGS = "warehouse/settings.py"
# Where everything may be caught, because the process ends there.
_FORKED = "a forked child must end as itself, whatever it met, and never go on as a second test run"
ENDS_THERE = {"tests/warehouse/dying.py": _FORKED, "tests/warehouse/surviving.py": _FORKED}


def in_packages(tracked: list[Path], suffix: str = ".py") -> list[Path]:
    return [path for path in tracked if path.parts[0] in PACKAGES and path.suffix == suffix]


def find_forbidden_names(paths: list[Path]) -> list[str]:
    """Files and folders named after no noun of the house."""
    return [str(path) for path in paths if {Path(part).stem.strip("_").lower() for part in path.parts} & FORBIDDEN_NAMES]


def find_prints(code: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}:
            yield node.lineno


def find_broad_excepts(code: str) -> Iterator[int]:
    """Handlers of everything that keep what they caught; one that cleans up and raises again hides nothing."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in caught)
            last = node.body[-1]
            if broad and not (isinstance(last, ast.Raise) and last.exc is None):
                yield node.lineno


def _is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ" and isinstance(node.value, ast.Name) and node.value.id == "os"


def find_environment_names(code: str) -> set[str]:
    """Names of variables that the code reads or writes; `*` where it uses the environment as a whole."""
    tree = ast.parse(code)
    named: set[str] = set()
    accounted: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _is_environment(node.value) and isinstance(node.slice, ast.Constant):
            accounted.add(node.value)
            named.add(str(node.slice.value))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if _is_environment(node.func.value) and node.args and isinstance(node.args[0], ast.Constant):
                accounted.add(node.func.value)
                named.add(str(node.args[0].value))
            if node.func.attr == "getenv" and isinstance(node.args[0], ast.Constant):
                named.add(str(node.args[0].value))
    whole = any(isinstance(node, ast.expr) and _is_environment(node) and node not in accounted for node in ast.walk(tree))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "os"]
    imported = any(alias.name in {"environ", "getenv"} for node in imports for alias in node.names)
    return named | ({"*"} if whole or imported else set())


def find_machine_paths(text: str) -> list[str]:
    """Absolute paths of somebody's machine; `/tmp` and `/usr` are as bad as a home in a program that may run anywhere."""
    return re.findall(r"(?<![\w.<>*:/{-])/(?:work|home/\w+|root|Users|tmp|var/tmp|opt|mnt|usr/local)(?:/[\w.-]+)*(?=[\s\"'`)\]:,]|$)", text)


def find_source_names(code: str, sources: list[str]) -> Iterator[tuple[int, str]]:
    """Strings that name a source: the name alone, quoted in SQL, or as part of a path or a table. Docstrings may speak of anything."""
    tree = ast.parse(code)
    scopes = (ast.Module, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, scopes) and node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            for source in sources:
                word = rf"(?<![a-z_]){source}(?![a-z_])"
                # A name of one word (enterprise) is also a word of the language: it counts only where it stands as a name.
                pattern = word if "_" in source else rf"^{source}$|[/.'\"]{source}(?![a-z_])"
                if re.search(pattern, node.value):
                    yield node.lineno, source


def find_reminders(text: str) -> list[str]:
    return re.findall(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", text)


def test_finders_find_planted_offences() -> None:
    assert find_forbidden_names([Path("ingest/utils.py"), Path("warehouse/base/x.py"), Path("a/_helpers.sql"), Path("a/database.py")]) == [
        "ingest/utils.py",
        "warehouse/base/x.py",
        "a/_helpers.sql",
    ]
    assert list(find_prints("log(1)\nprint(2)")) == [2]
    assert list(find_broad_excepts("try:\n    f()\nexcept (OSError, Exception):\n    pass")) == [3]
    assert list(find_broad_excepts("try:\n    f()\nexcept:\n    pass")) == [3]
    assert not list(find_broad_excepts("try:\n    f()\nexcept BaseException:\n    clean()\n    raise"))
    assert find_environment_names("import os\nx = os.environ['A'] + os.environ.get('B', '') + os.getenv('C')") == {"A", "B", "C"}
    assert find_environment_names("import os\nx = os.environ | {'A': 'b'}") == {"*"}
    assert find_environment_names("from os import environ") == {"*"}
    assert find_machine_paths('open("/home/anna/x.csv")  # see /tmp') == ["/home/anna/x.csv", "/tmp"]
    code = "'''market_quote'''\nx = 'select * from landing.enterprise'\ny = 'an enterprise'"
    assert list(find_source_names(code, ["enterprise", "market_quote"])) == [(2, "enterprise")]
    assert list(find_source_names("if source == 'market_quote': pass", ["market_quote"])) == [(1, "market_quote")]
    assert find_reminders("# TO" + "DO: later")


def test_no_file_is_named_after_no_noun(tracked: list[Path]) -> None:
    assert not find_forbidden_names(tracked)


def test_modules_stay_under_five_hundred_lines(tracked: list[Path], read: Read) -> None:
    lengths = {str(path): len(read(path).splitlines()) for path in tracked if path.suffix in {".py", ".sql"}}
    assert not {path: length for path, length in lengths.items() if length > LONGEST_MODULE}


def test_packages_do_not_print(tracked: list[Path], read: Read) -> None:
    assert not [f"{path}:{line}" for path in in_packages(tracked) for line in find_prints(read(path))]


def test_no_except_is_broad(tracked: list[Path], read: Read) -> None:
    code = [path for path in tracked if path.suffix == ".py" and str(path) not in ENDS_THERE]
    assert not [f"{path}:{line}" for path in code for line in find_broad_excepts(read(path))]


def test_environment_is_read_in_the_settings_and_nowhere_else(tracked: list[Path], read: Read) -> None:
    used = {str(path): names for path in in_packages(tracked) if (names := find_environment_names(read(path)))}
    assert SETTINGS in used
    allowed = {path: names for path, (names, _) in ENVIRONMENT.items()}
    assert not {path: over for path, names in used.items() if path != SETTINGS and (over := names - allowed.get(path, set()))}
    assert not {path: over for path, names in allowed.items() if (over := names - used.get(path, set()))}, (
        "an exception nobody needs any more"
    )


def test_no_path_belongs_to_one_machine(tracked: list[Path], read: Read) -> None:
    kinds = {".py", ".sql", ".yml", ".yaml", ".toml", ".sh", ".cfg", ".md", ""}
    looked_at = [path for path in tracked if path.suffix in kinds and path.parts[:2] != ("tests", "house")]
    assert not {str(path): found for path in looked_at if (found := find_machine_paths(read(path)))}


def test_engine_knows_no_source_by_name(root: Path, tracked: list[Path], read: Read) -> None:
    sources = [path.parent.name for path in sorted((root / "ingest" / "sources").glob("*/contract.yaml"))]
    assert len(sources) >= 5
    rooms = {Path("ingest"), Path("ingest/readers"), Path("warehouse"), Path("dags")}
    engine = [path for path in tracked if path.suffix == ".py" and path.parent in rooms]
    assert len(engine) > 25
    assert not [f"{path}:{line} {source}" for path in engine for line, source in find_source_names(read(path), sources)]


def test_nothing_is_left_for_later_in_the_code(tracked: list[Path], read: Read) -> None:
    code = [path for path in tracked if path.suffix in {".py", ".sql", ".yml", ".yaml", ".sh", ".toml"}]
    assert not {str(path): found for path in code if (found := find_reminders(read(path)))}
