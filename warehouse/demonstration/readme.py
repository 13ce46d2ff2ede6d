"""What the world says about itself, in both languages from one table."""

from pathlib import Path

TITLE = {"zh": "示范数据：一个合成的国家", "en": "Demonstration data: a synthetic country"}
PARAGRAPHS = [
    {
        "zh": "全部企业、披露与活动数据均为合成，名称带有“示范”“（合成）”；"
        "统一社会信用代码校验位正确，但组织机构代码以 DEM 开头，并非真实登记。",
        "en": "All enterprises, disclosures and activity data are synthetic and named so (示范, 合成); "
        "their credit codes have valid check characters, but organisation codes beginning with DEM that nobody has registered.",
    },
    {
        "zh": "公开数据：2023、2024 年电力碳足迹因子，2021 至 2023 年电力二氧化碳排放因子（均在 citation 列注明出处）；"
        "全国碳市场各月成交量、最高价、最低价与月末收盘价。",
        "en": "Published: the electricity footprint factors of 2023 and 2024, the electricity CO2 factors of 2021 to 2023 "
        "(cited in the column citation), and the national market's volume, high, low and closing price per month.",
    },
    {
        "zh": "文件名含 synthetic 的行情为合成：月内各日的价格与成交量由月度公开数据推演，并非交易所公布的日行情。",
        "en": "Quotes in files named synthetic are made up: prices and volumes of the days are drawn between the published "
        "monthly figures, they are not the exchange's daily bulletin.",
    },
    {
        "zh": "履约、减排量与绿证、环评、贷款、标准（除注明出处的国家标准外）、标识、任务进展、成交与表计均为合成；其中故意放入的问题列在 "
        "truth.json 的 findings 中。CCER 重启首日均价与 2025 年均价为公开数据。",
        "en": "Compliance, credits and green certificates, approvals, loans, standards (but for a cited national one), labels, task states, "
        "trades and meters are synthetic; the cases planted among them stand in truth.json under findings. The mean CCER price of the "
        "restart day and of 2025 are published.",
    },
    {
        "zh": "first/ 为首批数据；second/ 含企业重述、披露修订、迟到的旧版本、2024 年因子、各类问题行与一份重复文件；"
        "exchange/ 为随第二批送来的 PACT 文件及其标识，供对外共享的接口有内容可答；refused/ 为应整份拒收的文件。truth.json 逐行列出问题。",
        "en": "first/ is the bulk; second/ brings restated enterprises, revised disclosures, an older revision arriving late, "
        "the 2024 factors, rows that break every rule "
        "and a file sent again; exchange/ comes with it: PACT documents and the labels under which they may be shared; "
        "refused/ holds files to be refused whole. truth.json lists every fault by row.",
    },
]
SIZE = {
    "zh": "规模：企业 {enterprises} 家，披露 {disclosures} 份，活动数据 {lines} 行。",
    "en": "Size: {enterprises} enterprises, {disclosures} disclosures, {lines} activity lines.",
}


def write_readme(folder: Path, enterprises: int, disclosures: int, lines: int) -> None:
    """README.md in English and README.zh.md in Chinese."""
    for language, name in (("en", "README.md"), ("zh", "README.zh.md")):
        size = SIZE[language].format(enterprises=enterprises, disclosures=disclosures, lines=lines)
        paragraphs = [f"# {TITLE[language]}", *(paragraph[language] for paragraph in PARAGRAPHS), size]
        (folder / name).write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
