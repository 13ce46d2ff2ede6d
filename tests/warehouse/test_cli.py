"""The `tanlian` command as a person or a program meets it: languages, exit codes, JSON, receipts, and text that stays text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.cli import hoist_options
from warehouse.cli_usage import speak_usage

from .conftest import Country

pytestmark = pytest.mark.xdist_group("cli")
Run = Callable[..., subprocess.CompletedProcess[str]]
LANGS = ["zh", "en"]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Rich and Jinja markup, terminal sequences (clear the screen, set the title), a spreadsheet formula, and reversed direction.
HOSTILE = ["[red]x[/red]", "\x1b[2J\x1b]0;owned\x07", "{{7*7}}", "=1+1", "\u202egnp.exe", "${HOME}`id`"]


# Help


HELP_OF_ALL = """
import contextlib, io, json, os
import typer
from warehouse.cli import app
from warehouse.cli_help import translate_help
root = translate_help(typer.main.get_command(app), os.environ["TANLIAN_LANG"])
told = {}
def ask(command, words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        root.main([*words, "--help"], prog_name="tanlian")
    told[" ".join(words)] = out.getvalue()
    for name, child in getattr(command, "commands", {}).items():
        ask(child, [*words, name])
ask(root, [])
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def helps() -> dict[str, dict[str, str]]:
    """The help of every command in each language, asked for in one process per language."""
    told = {}
    for lang in LANGS:
        environment = os.environ | {"TANLIAN_LANG": lang, "COLUMNS": "80"}
        done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], env=environment, capture_output=True, text=True, check=True)
        told[lang] = json.loads(done.stdout)
    return told


def test_every_command_has_help_in_both_languages(helps: dict[str, dict[str, str]]) -> None:
    assert helps["zh"].keys() == helps["en"].keys()
    assert set(helps["en"]) >= {
        *("", "doctor", "demo", "deliver", "land", "build", "release", "release rollback", "releases", "status", "report"),
        *("dashboards", "dashboards publish", "world", "run", "up", "down", "contracts"),
    }
    for words, text in helps["en"].items():
        assert not CHINESE.search(text), words
        first = helps["zh"][words].split("\n")[2]
        assert CHINESE.search(first), words
        assert text.split("\n")[2].strip(), words


def test_help_is_whole_and_in_one_language(helps: dict[str, dict[str, str]]) -> None:
    """No sentence is cut short, and no word of the library's own English stands in the Chinese help."""
    for lang in LANGS:
        assert not [words for words, text in helps[lang].items() if "..." in text.split("\n", 1)[1]], "a sentence is cut short"
    for words, text in helps["zh"].items():
        assert not re.findall(r"Usage|Options:|Arguments:|Commands:|Show this|required|default", text), words


def test_commands_are_shown_in_the_order_of_a_delivery(helps: dict[str, dict[str, str]]) -> None:
    shown = re.findall(r"^  ([a-z]+)  ", helps["en"][""], re.MULTILINE)
    assert [name for name in shown if name in ("doctor", "deliver", "receipt", "build", "release", "report", "contracts")] == [
        *("doctor", "deliver", "receipt", "build", "release", "report", "contracts")
    ]


def test_help_names_the_exit_codes(helps: dict[str, dict[str, str]]) -> None:
    for lang in LANGS:
        assert all(code in helps[lang][""] for code in ("0", "1", "2", "3", "--as-of", "--reference"))


@pytest.mark.parametrize(
    "arguments", [("--lang", "zh", "land", "--help"), ("land", "--help", "--lang=zh"), ("land", "--lang", "zh", "--help")]
)
def test_language_may_stand_before_or_after_the_verb(tanlian: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = tanlian(tmp_path, *arguments)
    assert done.returncode == 0
    assert "取走收件箱中的文件" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "common", "rest"),
    [
        (["--json", "land"], ["--json"], ["land"]),
        (["land", "--json", "--source", "x"], ["--json"], ["land", "--source", "x"]),
        (["deliver", "--lang=zh", "a.csv"], ["--lang", "zh"], ["deliver", "a.csv"]),
        (["deliver", "--", "--json"], [], ["deliver", "--", "--json"]),
        (["release", "--as-of", "2026-01-01"], ["--as-of", "2026-01-01"], ["release"]),
        (["release", "--as-of"], ["--as-of", ""], ["release"]),
    ],
)
def test_options_that_work_anywhere_are_told_from_the_rest(arguments: list[str], common: list[str], rest: list[str]) -> None:
    assert hoist_options(arguments) == (common, rest)


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("deliver", "absent.csv", "--source", "enterprise"), ("absent.csv",)),
        (("--lang", "fr", "status"), ("zh",)),
        (("--reference", "/nowhere", "status"), ("/nowhere",)),
        (("report",), ("no release",)),
        (("demo", "--stage", "third"), ("third",)),
        (("nonsense",), ("nonsense",)),
        (("deliver",), ("Missing argument",)),
    ],
)
def test_usage_is_two_and_says_what_was_expected(tanlian: Run, tmp_path: Path, arguments: tuple[str, ...], told: tuple[str, ...]) -> None:
    done = tanlian(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert all(text in done.stderr for text in told)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


MISUSED = """
import contextlib, io, json, os, sys
sys.argv = ["tanlian", "--lang", os.environ["TANLIAN_LANG"]]
from warehouse import cli
told = []
for words in json.loads(os.environ["MISUSED"]):
    sys.argv[1:] = words
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""
# What is typed, and what is said of it: the name of the text is that of the table.
MISUSES = {
    "deliver": ("缺少参数 'FILE…'。", "Missing argument 'FILE…'."),
    "deliver x.csv": ("缺少选项 '--source'。", "Missing option '--source'."),
    "deliver x.csv --source": ("选项 '--source' 后须有值。", "Option '--source' requires an argument."),
    "land --list=1": ("选项 '--list' 不带值。", "Option '--list' does not take a value."),
    "xyzzy": ("没有命令 'xyzzy'。", "No such command 'xyzzy'."),
    "statuss": ("没有命令 'statuss'。是否指：'status'", "No such command 'statuss'. Did you mean 'status'?"),
    "status --xyzzy": ("没有选项：--xyzzy", "No such option: --xyzzy"),
    "serve --prt 1": ("没有选项：--prt（是否指：--port）", "No such option: --prt (Possible options: --port)"),
    "status x y": ("多余的参数：x y", "Got unexpected extra argument(s) (x y)"),
    "serve --port x": ("'--port' 的值无效：应为整数", "Invalid value for '--port': Input should be a whole number"),
    "serve --port -1": ("'--port' 的值无效：应不小于 0", "Invalid value for '--port': Input should be greater than or equal to 0"),
    "serve --port 65536": ("'--port' 的值无效：应不大于 65535", "Invalid value for '--port': Input should be less than or equal to 65535"),
}


@pytest.mark.parametrize("lang", LANGS)
def test_misuse_is_told_in_the_language_asked(lang: str, tmp_path: Path) -> None:
    typed = [words.split() for words in MISUSES]
    environment = os.environ | {"TANLIAN_LANG": lang, "TANLIAN_DATA": str(tmp_path), "MISUSED": json.dumps(typed)}
    done = subprocess.run([sys.executable, "-c", MISUSED], env=environment, capture_output=True, text=True, check=True)
    for (words, said), (code, out, err) in zip(MISUSES.items(), json.loads(done.stdout), strict=True):
        assert (code, out) == (2, ""), words
        assert err.endswith(f"{'错误：' if lang == 'zh' else 'Error: '}{said[LANGS.index(lang)]}\n"), (words, err)
        hint = "说明见 'tanlian" if lang == "zh" else "Try 'tanlian"
        # The library itself does not say of which command these two were.
        assert (hint in err) != (words in ("deliver x.csv --source", "land --list=1")), words


def test_what_the_library_says_anew_is_not_lost() -> None:
    assert speak_usage("A sentence of tomorrow.", "zh") == "A sentence of tomorrow."
    assert speak_usage("Invalid value for '--x': a reason of tomorrow", "zh") == "'--x' 的值无效：a reason of tomorrow"


def test_doctor_heads_its_columns_apart(tanlian: Run, tmp_path: Path) -> None:
    head = next(line for line in tanlian(tmp_path, "--lang", "zh", "doctor").stdout.splitlines() if "检查" in line)
    assert len(set(head.split())) == 3


@pytest.mark.parametrize(
    ("arguments", "zh", "en"),
    [
        (("deliver", "pyproject.toml", "--source", "nothing"), "没有数据源 nothing", "there is no source nothing, known: ccer_"),
        (("land", "--source", "nothing"), "没有数据源 nothing", "there is no source nothing"),
        (("--as-of", "yesterday", "status"), "不是 ISO 8601", "not an ISO 8601"),
        (("--as-of", "2026-02-30", "status"), "不是 ISO 8601", "not an ISO 8601"),
        (("release", "rollback"), "没有更早的发布", "no earlier release"),
        (("diff", "nothing"), "没有（或不止一个）发布 nothing", "no (or more than one) release nothing"),
    ],
)
def test_what_is_unknown_is_told_in_the_language_asked(tanlian: Run, tmp_path: Path, arguments: tuple[str, ...], zh: str, en: str) -> None:
    for lang, told, other in (("zh", zh, en), ("en", en, zh)):
        done = tanlian(tmp_path, "--lang", lang, *arguments)
        assert done.returncode == 2, done.stderr
        assert told in done.stderr and other not in done.stderr and " / " not in done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr


@pytest.mark.parametrize(("lang", "told"), [("zh", "出错了"), ("en", "Something broke")])
def test_broken_program_is_one_and_shows_no_traceback(tanlian: Run, tmp_path: Path, lang: str, told: str) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no database, though it is long enough to be taken for one" * 20)
    done = tanlian(tmp_path, "status", TANLIAN_LANG=lang)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    (log,) = (tmp_path / "logs").glob("error-*.log")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_json_of_an_empty_warehouse_is_whole_and_alone_on_stdout(tanlian: Run, tmp_path: Path) -> None:
    status = json.loads(tanlian(tmp_path, "status", "--json").stdout)
    assert status["release_id"] is None
    assert {source["source"] for source in status["sources"]} >= {"enterprise", "market_quote"}
    assert json.loads(tanlian(tmp_path, "--json", "releases").stdout) == []
    done = tanlian(tmp_path, "--json", "land")
    assert (json.loads(done.stdout), done.stderr) == ([], "")


# Receipts


@pytest.fixture(scope="session")
def files(country: Country, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four deliveries: sound, with one bad row, with too many, and with hostile text in every place."""
    folder = tmp_path_factory.mktemp("files")
    rows = country.rows("enterprise")
    header = ",".join(rows[0])

    def write(name: str, lines: list[dict[str, str]], columns: str = header) -> Path:
        text = [columns, *(",".join(f'"{value}"' for value in row.values()) for row in lines)]
        (folder / name).write_text("\n".join(text) + "\n", encoding="utf-8")
        return folder / name

    def spoil(row: dict[str, str]) -> dict[str, str]:
        return row | {"enterprise_id": row["enterprise_id"][:-1] + "?"}

    hostile = [row | {"province_code": text} for row, text in zip(rows[90:], HOSTILE, strict=False)]
    named = [row | {"enterprise_name": text} for row, text in zip(rows[80:], ("[bold]y[/bold]", "{{7*6}}"), strict=False)]
    extra = [row | {"note": HOSTILE[0]} for row in [*hostile, *named, *rows[40:80]]]
    return {
        "accepted": write("good.csv", rows[:30]),
        "partly_quarantined": write("partly.csv", [spoil(rows[30]), *rows[31:40]]),
        "rejected": write("bad.csv", [spoil(row) for row in rows[:10]]),
        "hostile": write("[red]hostile.csv", extra, header + ",[red]note[/red]"),
    }


@pytest.fixture(scope="session")
def told(tanlian: Run, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    names = [str(path) for path in files.values()]
    return {
        kind: tanlian(tmp_path_factory.mktemp(kind), "deliver", *names, *options, TANLIAN_LANG=lang)
        for kind, lang, options in (
            ("zh", "zh", ["--source", "enterprise"]),
            ("en", "en", ["--source", "enterprise"]),
            ("json", "en", ["--json", "--source", "enterprise"]),
        )
    }


@pytest.mark.parametrize(
    ("lang", "phrases"),
    [
        ("en", ["good.csv: landed", "30 rows received = 30 landed + 0 duplicate + 0 quarantined"]),
        ("en", ["partly.csv: landed, some rows quarantined", "10 rows received = 9 landed", "correct them and deliver again"]),
        ("en", ["bad.csv: the file was rejected", "too_many_bad_rows", "nothing of the file landed"]),
        ("zh", ["good.csv：已入库", "收到 30 行 = 入库 30 + 重复 0 + 隔离 0"]),
        ("zh", ["partly.csv：已入库，部分行隔离", "收到 10 行 = 入库 9", "更正后重新交付"]),
        ("zh", ["bad.csv：整个文件被拒", "too_many_bad_rows", "整个文件未入库"]),
    ],
)
def test_receipt_says_what_was_taken_and_refused(told: dict[str, subprocess.CompletedProcess[str]], lang: str, phrases: list[str]) -> None:
    assert [phrase for phrase in phrases if phrase not in told[lang].stdout] == []


def test_refused_row_is_shown_with_its_place_value_and_rule(told: dict[str, subprocess.CompletedProcess[str]], country: Country) -> None:
    value = country.rows("enterprise")[30]["enterprise_id"][:-1] + "?"
    for lang in LANGS:
        (line,) = [line for line in told[lang].stdout.split("bad.csv")[0].splitlines() if value in line]
        assert re.search(r"\b1\b.*identifier_check", line), line


def test_rejected_file_ends_with_three_and_says_nothing_on_stderr_but_remarks(told: dict[str, subprocess.CompletedProcess[str]]) -> None:
    for done in told.values():
        assert done.returncode == 3
        assert "Traceback" not in done.stderr


def test_json_receipts_hold_every_file(told: dict[str, subprocess.CompletedProcess[str]], files: dict[str, Path]) -> None:
    receipts: list[dict[str, Any]] = json.loads(told["json"].stdout)
    assert [receipt["file"] for receipt in receipts] == [path.name for path in files.values()]
    assert [receipt["verdict"] for receipt in receipts[:3]] == ["accepted", "partly_quarantined", "rejected"]
    for receipt in receipts:
        counts = receipt["counts"]
        assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]


@pytest.mark.parametrize("lang", LANGS)
def test_hostile_text_of_a_file_is_printed_as_text(told: dict[str, subprocess.CompletedProcess[str]], lang: str) -> None:
    done = told[lang]
    for stream in (done.stdout, done.stderr):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", stream)
    said = done.stdout.split("[red]hostile.csv")[1]
    assert all(text in said for text in ("[red]x[/red]", "{{7*7}}", "=1+1", "\\u001b[2J", "\\u202egnp.exe", "[red]note[/red]"))


def test_file_name_cannot_reach_the_terminal_as_a_sequence(tanlian: Run, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred\x1b[0m.csv"
    path.write_text("", encoding="utf-8")
    for name in (path, path.with_name("\x1b[31mabsent")):
        done = tanlian(tmp_path / "data", "deliver", str(name), "--source", "enterprise")
        assert done.returncode in (2, 3)
        assert "\x1b" not in done.stdout + done.stderr
