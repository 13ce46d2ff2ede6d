"""Numbers as readers see them: whole ones bear no decimals, small ones no powers of ten, and names stand under headings that say names."""

from __future__ import annotations

import re

import pytest

from dashboards.reports.figures import head_column, head_named, read_dictionary, tabulate
from dashboards.reports.numbers import write_number
from dashboards.reports.report_workbook import number_format
from dashboards.reports.wording import load_wording


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (62.0, False, "62"),
        (500.0, False, "500"),
        (8928.0, False, "8,928"),
        (512.34, False, "512.3"),
        (-40.0, True, "−40"),
        (-9.36e-05, True, "−0.0000936"),
        (1e-6, False, "0.00000100"),
        (9.36e-9, False, "9.36e-09"),
        (0.25, True, "+0.2500"),
        (0.0, True, "0"),
        (None, False, "—"),
    ],
)
def test_number_is_written_for_people(value: float | None, signed: bool, text: str) -> None:
    assert write_number(value, signed=signed) == text


def test_small_number_keeps_its_digits_in_a_workbook() -> None:
    assert number_format("−0.0000936").endswith("#,##0.0000000")


def test_names_stand_under_a_heading_of_names() -> None:
    table = tabulate([{"product_code": "CEMENT", "province_code": "130000"}], ["product_code", "province_code"])
    assert [cell.display.en for cell in table.rows[0]] == ["Cement", "Hebei"]
    assert [(head.zh, head.en) for head in table.columns] == [("产品", "Product"), ("省份", "Province")]
    assert head_column("product_code").en != head_named("product_code").en, "where codes are exported, the heading says codes"


def test_one_word_for_the_declared_unit_and_one_spelling_of_co2e() -> None:
    texts = {code: text for code, text in load_wording().items() if "声明单位" in text.zh or re.search("CO2", text.zh + text.en)}
    words = {name: entry.text for name, entry in read_dictionary().items()}
    assert not texts
    assert not [name for name, text in words.items() if "声明单位" in text.zh or re.search(r"CO2e", text.zh + text.en)]
