"""What is generated from the contracts and committed: dbt's sources and the readable page of every source.

A contract is the single source of truth; a file written here is never edited by hand, and `tanlian contracts --check` (in `make check`)
finds one that has drifted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingest.contract import LINEAGE_COLUMNS, Column, Contract, Rule
from ingest.layout import read_layout
from warehouse.audience import read_policy
from warehouse.audience_page import render_audience_page
from warehouse.settings import ROOT

SOURCES_YAML = Path("dbt_project/models/staging/_sources.yml")
SOURCES_PAGE = Path("docs/sources.md")
AUDIENCE_PAGE = Path("docs/audiences.md")

_TYPES_ZH = {
    "text": "文字",
    "integer": "整数",
    "double": "双精度",
    "decimal": "定点数",
    "date": "日期",
    "instant": "时刻",
    "boolean": "布尔",
}
_HISTORY = {
    "append": (
        "一键一次：同键同值为重复，同键异值被隔离",
        "a key arrives once: the same values again are a duplicate, other values are quarantined",
    ),
    "restated": ("最新交付有效，之前的留作历史", "the newest delivery of a key is in force, earlier ones stay as history"),
    "revisioned": ("报送方编版本号，最大版本有效", "the sender numbers revisions, the greatest one is in force"),
}
_PAGE_HEAD = """\
# 数据源 / Sources

由 `ingest/sources/*/contract.yaml` 生成（`tanlian contracts`），请勿手工修改。
Generated from `ingest/sources/*/contract.yaml` by `tanlian contracts`; not edited by hand.

每个数据源都另守（代码见下表之外）：`type` 类型、`required` 必填、`enumeration` 取值、`range` 范围、`control_character` 控制字符、
`cell_error` 错误值或未计算的公式、`digits_lost` 被表格软件丢了末位的编码、`key_conflict` 同键异值；企业代码另核校验码（`identifier_check`）。
表头可用列名、标题或别名，繁体先折成简体。
Every source also keeps rules of its columns: `type`, `required`, `enumeration`, `range`, `control_character`, `cell_error`
(an error or a formula never computed), `digits_lost` (a code whose last digits a spreadsheet dropped), `key_conflict`; enterprise
codes their check character (`identifier_check`). A header may be the column's name, its title or an alias; Traditional script is folded
to Simplified first.
"""


def generated_files(contracts: Mapping[str, Contract]) -> dict[Path, str]:
    """Path -> content of every generated file."""
    return {
        ROOT / SOURCES_YAML: _render_dbt_sources(contracts),
        ROOT / SOURCES_PAGE: _render_page(contracts),
        ROOT / AUDIENCE_PAGE: render_audience_page(read_policy()),
    }


def stale_files(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing or differ from what would be written."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def write_files(files: Mapping[Path, str]) -> None:
    """Write the files that differ; those that are fresh keep their time stamps."""
    for path in stale_files(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")


def _render_dbt_sources(contracts: Mapping[str, Contract]) -> str:
    lines = [
        "# Generated from ingest/sources/*/contract.yaml by `tanlian contracts`; not edited by hand.",
        "version: 2",
        "",
        "sources:",
        "  - name: landing",
        "    schema: landing",
        '    description: "已入库的行：每个数据源一个视图 | Accepted rows, typed: one view per contract over what was received by as_of"',
        "    tables:",
    ]
    for contract in contracts.values():
        lines += [
            f"      - name: {contract.source}",
            f"        description: {_quoted(f'{contract.title.zh}：{_stripped(contract.purpose.zh)} | {contract.title.en}: {_stripped(contract.purpose.en)}')}",
            "        columns:",
        ]
        types = contract.landing_types()
        described = {
            column.name: _quoted(f"{column.title.zh}：{column.description.zh} | {column.title.en}: {column.description.en}")
            for column in contract.columns
        }
        described |= {name: f"\"{{{{ doc('{name}') }}}}\"" for name in LINEAGE_COLUMNS}
        for name, sql_type in types.items():
            lines += [
                f"          - name: {name}",
                f"            data_type: {sql_type.upper()}",
                f"            description: {described[name]}",
            ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """The text as a YAML scalar; JSON strings are YAML, and braces would otherwise be taken for Jinja or a mapping."""
    return json.dumps(_stripped(text), ensure_ascii=False)


def _stripped(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _stripped(text).replace("|", "\\|")


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headers) + " |"
    yield "| " + " | ".join("---" for _ in headers) + " |"
    for row in rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"
    yield ""


def _render_page(contracts: Mapping[str, Contract]) -> str:
    index = [
        [
            f"[`{contract.source}`](#{contract.source})",
            contract.title.zh,
            contract.title.en,
            ", ".join(f"`{name}`" for name in contract.key),
        ]
        for contract in contracts.values()
    ]
    lines = [*_table(("数据源 source", "名称", "title", "键 key"), index)]
    for contract in contracts.values():
        lines += _describe_source(contract)
    return _PAGE_HEAD + "\n" + "\n".join(lines).rstrip() + "\n"


def _describe_source(contract: Contract) -> Iterator[str]:
    history_zh, history_en = _HISTORY[contract.history]
    yield f"## {contract.source}\n"
    yield f"**{contract.title.zh} / {contract.title.en}**（{contract.version}）：{_stripped(contract.purpose.zh)} {_stripped(contract.purpose.en)}\n"
    yield from _table(
        ("", "中文", "English"),
        (
            ("键 key", ", ".join(f"`{name}`" for name in contract.key), ", ".join(f"`{name}`" for name in contract.key)),
            ("历史 history", f"`{contract.history}`：{history_zh}", f"`{contract.history}`: {history_en}"),
            (
                "节奏 cadence",
                f"至少每 {contract.cadence_days} 天一次，逾期标为过期",
                f"at least every {contract.cadence_days} days, shown as stale after that",
            ),
            (
                "容忍 tolerance",
                f"坏行超过 {contract.tolerance:.0%} 则整个文件被拒（等待的行不算）",
                f"above {contract.tolerance:.0%} bad rows the whole file is rejected (rows that wait do not count)",
            ),
        ),
    )
    yield "### 列 / Columns\n"
    yield from _table(
        (
            "列 column",
            "标题 title",
            "类型 type",
            "单位 unit",
            "必填 required",
            "取值与范围 values and bounds",
            "别名 aliases",
            "description",
        ),
        [_describe_column(column, contract) for column in contract.columns],
    )
    if contract.rules:
        yield "### 行规则 / Row rules\n"
        yield from _table(
            ("代码 code", "规则", "rule", "原因 reason", "参数 figures", "出处 citation"), [_describe_rule(rule) for rule in contract.rules]
        )
    for path in contract.layouts:
        yield from _describe_layout(path)


def _describe_column(column: Column, contract: Contract) -> list[str]:
    place = f" (键 key {contract.key.index(column.name) + 1})" if column.name in contract.key else ""
    return [
        f"`{column.name}`{place}",
        f"{column.title.zh} / {column.title.en}",
        f"{_TYPES_ZH[column.type]} `{column.sql_type}`",
        column.unit or "",
        "是 yes" if column.required else "",
        "；".join(_describe_limits(column)),
        "、".join(column.aliases),
        f"{column.description.zh} {column.description.en}",
    ]


def _describe_limits(column: Column) -> Iterator[str]:
    if column.values:
        yield ", ".join(f"`{value}`" for value in column.values)
    if column.list:
        yield f"表 list `{column.list}`"
    if column.also_allowed:
        yield "另可 also " + ", ".join(f"`{value.removeprefix('list:')}`" for value in column.also_allowed)
    if column.not_allowed:
        yield "不可 not " + ", ".join(f"`{value}`" for value in column.not_allowed)
    if column.pattern:
        yield f"形式 form `{column.pattern}`"
    if column.minimum is not None:
        yield f"≥ {column.minimum:g}"
    if column.maximum is not None:
        yield f"≤ {column.maximum:g}"
    if column.bound_reason:
        yield f"（{column.bound_reason.zh} {column.bound_reason.en}）"
    if column.identifier:
        yield "GB 32100-2015 校验码 check character"
    if column.share:
        yield "`95%` = 0.95"
    if column.may_lack:
        yield "出版物没有的，布局可声明缺 a layout may declare that its publication lacks it"


def _describe_rule(rule: Rule) -> list[str]:
    figures = {name: value for name, value in rule.parameters.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    waits = "（等待）" if rule.waits else ""
    return [
        f"`{rule.code}`",
        rule.message.zh + waits,
        rule.message.en,
        f"{rule.reason.zh} / {rule.reason.en}",
        ", ".join(f"`{name}` {value:g}" for name, value in figures.items()),
        rule.citation or "",
    ]


def _describe_layout(path: Path) -> Iterator[str]:
    layout = read_layout(path)
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    yield f"### 布局 / Layout `{layout.name}`\n"
    yield f"**{layout.title.zh} / {layout.title.en}**（{document['publisher']}）\n"
    yield "- 识别表头 recognised by the headers: " + ", ".join(f"`{header}`" for header in layout.headers)
    if layout.refusal:
        yield f"- 拒收 refused: {layout.refusal.zh} {layout.refusal.en}"
    else:
        yield f"- 每行最多 {len(layout.records)} 条记录 up to {len(layout.records)} record(s) per file row: " + ", ".join(
            f"`{record['name']}`" for record in layout.records
        )
    for item in layout.not_data:
        yield f"- 不是数据，只计数 no data, counted `{item.kind}`: {item.reason.zh} / {item.reason.en}"
    yield f"- 出处 citation: {_stripped(document['citation'])}"
    yield f"- 说明 notes: {_stripped(document.get('notes', ''))}"
    yield ""
