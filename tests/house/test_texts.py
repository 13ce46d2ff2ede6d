"""Every text a user reads exists in zh and en from one source; what a person can type or schedule is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

Read = Callable[[Path], str]
CHINESE = re.compile("[一-鿿，。：；（）]")  # full-width punctuation alone marks a sentence of places as Chinese
# Proper names that are the same in both languages.
SAME_IN_BOTH = {"doctor.python"}


def places(text: str) -> set[str]:
    """The named places of a sentence."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def sentence_fault(pair: dict[str, Any], same: bool = False) -> str | None:
    """What is wrong with a sentence that should exist in both languages."""
    if set(pair) != {"zh", "en"} or not all(isinstance(text, str) and text.strip() for text in pair.values()):
        return "needs zh and en, both with words"
    if not same and (not CHINESE.search(pair["zh"]) or CHINESE.search(pair["en"])):
        return "zh holds Chinese, en does not"
    return "the languages have other places" if places(pair["zh"]) != places(pair["en"]) else None


def find_half_pairs(tree: Any, where: str = "") -> Iterator[str]:
    """Mappings of a YAML document that hold one language without the other."""
    if isinstance(tree, dict):
        languages = {"zh", "en"} & set(tree)
        if len(languages) == 1:
            yield where or "/"
        for key, value in tree.items():
            yield from find_half_pairs(value, f"{where}/{key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from find_half_pairs(value, f"{where}/{index}")


def find_half_dictionaries(code: str) -> Iterator[int]:
    """Lines of dictionaries in Python that hold one language without the other."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            if len({"zh", "en"} & keys) == 1:
                yield node.lineno


def heading_levels(markdown: str) -> list[int]:
    """Depths of the headings in order; lines inside code blocks are no headings."""
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [len(hashes) for hashes in re.findall(r"^(#+) ", prose, re.MULTILINE)]


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = yaml.load((root / "warehouse/texts.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    assert len(loaded) > 80
    return loaded


@pytest.fixture(scope="module")
def readmes(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")}


def test_finders_find_planted_offences() -> None:
    assert sentence_fault({"zh": "好"}) and sentence_fault({"zh": "好", "en": " "}) and sentence_fault({"zh": "good", "en": "good"})
    assert sentence_fault({"zh": "好", "en": "好"}) and sentence_fault({"zh": "{a} 行", "en": "{b} rows"})
    assert sentence_fault({"zh": "{a} 行", "en": "{a} rows"}) is None
    assert list(find_half_pairs({"a": [{"zh": "好"}, {"zh": "好", "en": "good"}]})) == ["/a/0"]
    assert list(find_half_dictionaries("x = {'en': 'good'}\ny = {'zh': '好', 'en': 'good'}")) == [1]
    assert heading_levels("# a\n```\n# no\n```\n## b") == [1, 2]


def test_every_sentence_of_the_command_line_exists_in_both_languages(texts: dict[str, dict[str, str]]) -> None:
    assert not {key: fault for key, pair in texts.items() if (fault := sentence_fault(pair, key in SAME_IN_BOTH))}


def test_every_sentence_asked_for_exists_and_none_is_left_over(texts: dict[str, dict[str, str]], tracked: list[Path], read: Read) -> None:
    code = "\n".join(read(path) for path in tracked if path.parts[0] == "warehouse" and path.suffix == ".py")
    asked = set(re.findall(r"(?<!\w)(?:say|text|tell|_help)\(\s*[\"'](\w+(?:\.\w+)+)[\"']", code))
    asked |= set(re.findall(r"_help\(\"(\w+)\"\)", code)) | set(re.findall(r"\([\"'](table\.\w+)[\"']", code))
    begun = set(re.findall(r"f\"([a-z_.]+\.)\{", code))
    mentioned = asked | set(re.findall(r"[\"']([a-z_]+(?:\.[a-z_]+)+)[\"']", code))
    assert len(asked) > 50
    assert not asked - set(texts), "asked for, but not there"
    assert not {key for key in texts if key not in mentioned and not key.startswith(tuple(begun))}, "there, but never said"


def test_no_document_or_dictionary_holds_one_language_alone(tracked: list[Path], read: Read) -> None:
    documents = [path for path in tracked if path.suffix in {".yaml", ".yml"} and path.parts[0] != "tests"]
    assert len(documents) > 20
    halves = {str(path): found for path in documents if (found := list(find_half_pairs(yaml.load(read(path), yaml.CSafeLoader))))}
    code = [path for path in tracked if path.suffix == ".py" and path.parts[0] != "tests"]
    halves |= {str(path): found for path in code if (found := [str(line) for line in find_half_dictionaries(read(path))])}
    assert not halves


def test_both_readmes_have_the_same_headings_commands_and_pictures(readmes: dict[str, str]) -> None:
    english, chinese = readmes["README.md"], readmes["README.zh.md"]
    assert heading_levels(english) == heading_levels(chinese) and len(heading_levels(english)) > 5
    commands = [sorted(set(re.findall(r"(?:`|^)((?:make|tanlian) [a-z]+)", text, re.MULTILINE))) for text in (english, chinese)]
    assert commands[0] == commands[1]
    pictures = [set(re.findall(r"docs/images/(\w+)_(?:zh|en)\.png", text)) for text in (english, chinese)]
    assert pictures[0] == pictures[1] != set()
    assert CHINESE.search(chinese) and len(CHINESE.findall(english)) < 60


def test_readmes_name_every_make_target_and_every_command(root: Path, readmes: dict[str, str]) -> None:
    from warehouse.cli import app

    targets = re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    commands += [f"{group.name} {command.name}" for group in app.registered_groups for command in group.typer_instance.registered_commands]
    assert {"run", "test"} <= set(targets) and len(commands) > 12
    for name, text in readmes.items():
        assert not [target for target in targets if f"make {target}" not in text], name
        assert not [command for command in commands if f"tanlian {command}" not in text], name


def test_every_command_has_help(root: Path) -> None:
    from warehouse.cli import app

    groups = [group.typer_instance for group in app.registered_groups]
    assert not [command for typer in (app, *groups) for command in typer.registered_commands if not command.help]


def test_links_and_pictures_of_the_pages_exist(root: Path, tracked: list[Path], read: Read) -> None:
    pages = [path for path in tracked if path.suffix == ".md" and path.parts[0] not in {"ingest", "benchmarks"}]
    broken = [
        f"{page}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(page))
        if "://" not in link and not (root / page.parent / link).exists()
    ]
    assert not broken


def test_every_dag_says_what_it_does_in_both_languages(root: Path) -> None:
    found = 0
    for path in sorted((root / "dags").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "DAG":
                found += 1
                assert "doc_md" in {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}"
                texts = [item.value for item in ast.walk(tree) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
                assert any("###" in text and CHINESE.search(text) and re.search("[a-z]{5} [a-z]+ ", text) for text in texts)
    assert found >= 2


def test_decisions_are_numbered_dated_and_have_their_three_parts(root: Path) -> None:
    records = sorted((root / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1)) and len(records) >= 8
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert CHINESE.search(text.splitlines()[0]), path.name
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert [part.split(" / ")[-1] for part in parts] == ["Context", "Decision", "Consequence"], path.name
