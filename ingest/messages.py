"""What a person is told about a fault: expected, why, in both languages, from the contract alone."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from ingest.contract import Column, Contract, Message

_FORMS: dict[str, Message] = {
    "text": Message("应为文字", "expected text"),
    "integer": Message("应为整数", "expected a whole number"),
    "double": Message("应为数字", "expected a number"),
    "decimal": Message("应为数字，小数不超过 8 位", "expected a number with at most 8 decimals"),
    "date": Message("应为存在的日期，如 2024-03-05", "expected a date that exists, such as 2024-03-05"),
    "instant": Message("应为时间，如 2024-03-05T10:00:00+08:00", "expected an instant, such as 2024-03-05T10:00:00+08:00"),
    "boolean": Message("应为 true 或 false", "expected true or false"),
}

NORMALISED: dict[str, Message] = {
    "full_width": Message("全角数字、字母", "full-width digits and letters"),
    "white_space": Message("首尾空白", "surrounding white space"),
    "thousands_separator": Message("千位分隔符", "thousands separators"),
    "percent_share": Message("百分数写成的占比", "a share written in percent"),
    "lower_case_code": Message("小写的企业代码", "lower-case enterprise codes"),
    "date_form": Message("日期写法", "date forms"),
    "excel_serial_date": Message("Excel 日期序号", "Excel serial dates"),
    "number_form": Message("数字写法", "number forms"),
    "traditional_header": Message("繁体表头", "Traditional-script headers"),
    "header_form": Message("表头写法", "header forms"),
    "unit_expression": Message("单位写法", "unit expressions"),
    "layout": Message("按布局换算的单元格", "cells mapped by the layout"),
}


def _listed(column: Column) -> str:
    shown = [value for value in (*column.values, *column.also_allowed) if not value.startswith("list:")]
    return ", ".join(shown)


def _enumeration(column: Column) -> Message:
    values = _listed(column)
    if column.list:
        name = column.list.split(".")[0]
        return Message(
            f"应在参考表 {name} 中{'，或为 ' + values if values else ''}",
            f"expected a code of the list {name}{', or ' + values if values else ''}",
        )
    return Message(f"应为 {values} 之一", f"expected one of {values}")


def _bounds(column: Column) -> Message:
    def shown(bound: float | None) -> str:
        return "" if bound is None else f"{bound:g}"

    if column.minimum is not None and column.maximum is not None:
        return Message(
            f"应在 {shown(column.minimum)} 到 {shown(column.maximum)} 之间", f"expected {shown(column.minimum)} to {shown(column.maximum)}"
        )
    if column.minimum is not None:
        return Message(f"应 ≥ {shown(column.minimum)}", f"expected >= {shown(column.minimum)}")
    return Message(f"应 ≤ {shown(column.maximum)}", f"expected <= {shown(column.maximum)}")


_CELLS: dict[str, tuple[Message, Message]] = {
    "control_character": (
        Message("不应含控制字符", "control characters are not allowed"),
        Message("不可见字符会使文字无法核对", "invisible characters make a text impossible to check"),
    ),
    "cell_error": (
        Message("单元格是错误值，或公式从未计算", "the cell holds an error, or a formula that was never computed"),
        Message(
            "在 Excel 或 WPS 中打开并重新计算，改正出错的公式后保存",
            "open the file in Excel or WPS, let it compute, correct the formula that fails, and save",
        ),
    ),
    "digits_lost": (
        Message("编码被表格软件当作数字，末尾几位已丢失", "a code was taken for a number by a spreadsheet, and its last digits are lost"),
        Message(
            "电子表格只保留 15 位数字：把该列设为“文本”格式后重新填写",
            "a spreadsheet keeps 15 digits: format the column as text and enter the codes again",
        ),
    ),
    "identifier_check": (
        Message(
            "应为 18 位统一社会信用代码（校验码正确），境外企业用 <体系>:<编号>",
            "expected a Unified Social Credit Code with a right check character, or <scheme>:<id> abroad",
        ),
        Message(
            "GB 32100-2015：末位为校验码，常见错误是抄错或漏一位",
            "GB 32100-2015: the last character checks the others; usually one is mistyped or missing",
        ),
    ),
}


def _cell(column: Column, code: str) -> tuple[Message, Message]:
    nothing = Message("", "")
    if code in _CELLS:
        return _CELLS[code]
    if code == "required":
        return Message(f"“{column.title.zh}”不应为空", f"{column.name} should not be empty"), Message("必填项", "a required column")
    if code == "enumeration":
        return _enumeration(column), column.bound_reason or nothing
    if code == "range":
        return _bounds(column), column.bound_reason or nothing
    if column.pattern and column.type == "text":
        return Message(f"应符合 {column.pattern}", f"expected the form {column.pattern}"), nothing
    return _FORMS[column.type], nothing


def explain(contract: Contract, code: str, columns: str) -> tuple[Message, Message]:
    """The expectation that a fault breaks, and its reason."""
    if code == "key_conflict":
        return (
            Message("该键已有不同的数值入库", "the key is already stored with other values"),
            Message(
                "更正须按本数据源的历史方式重报（新版次或新版本）",
                "a correction is delivered the way this source keeps history (a new edition or revision)",
            ),
        )
    names = columns.split(", ")
    for rule in contract.rules:
        if rule.code == code:
            return rule.message, rule.reason
    return _cell(contract.column(names[0]), code)


def messages_table(contract: Contract, pairs: Iterable[tuple[str, str]]) -> pa.Table:
    """One row per (code, columns) with its texts, to be joined to faults set-based."""
    listed = sorted(set(pairs))
    texts = [explain(contract, code, columns) for code, columns in listed]
    return pa.table(
        {
            "code": pa.array([code for code, _ in listed], pa.string()),
            "column_name": pa.array([columns for _, columns in listed], pa.string()),
            "message_zh": pa.array([message.zh for message, _ in texts], pa.string()),
            "message_en": pa.array([message.en for message, _ in texts], pa.string()),
            "reason_zh": pa.array([reason.zh for _, reason in texts], pa.string()),
            "reason_en": pa.array([reason.en for _, reason in texts], pa.string()),
        }
    )
