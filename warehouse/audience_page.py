"""docs/audiences.md: the policy of `audiences.yaml` as people read it, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

from warehouse.audience import Choice, Policy

_HEAD = """\
# 谁看到什么 / Who sees what

由 `warehouse/audiences.yaml` 生成（`tanlian contracts`），请勿手工修改。
Generated from `warehouse/audiences.yaml` by `tanlian contracts`; not edited by hand.

每类读者得到一份实体文件，只含下列行与列；数据面板的过滤是第二道锁。发布前逐份检索：编号列只能有该读者自己的编号，其余文字（含 JSON）不得出现他人的编号；
一处不符即不发布（闸门 `audiences.isolation`）。未列出的指标表不进入任何文件，主管部门除外。保管与核对见 [custody](custody.md)。

Each reader gets a file of its own that holds these rows and columns and no others; filters in a dashboard are the second lock. Every file is searched before
publication: a column of codes may hold the reader's own alone, and no other text, JSON included, may hold somebody else's; one finding stops the release (gate
`audiences.isolation`). A mart that is not listed is in no file but the ministry's. How files are kept and checked: [custody](custody.md).

还须知道 / To know besides:

- 地区能看到本省全部企业，公众表的全国合计减去本省即外省合计：披露控制防的是局外人，不防掌握多数企业的读者。
  A region sees all its enterprises, so a public total of the country less its own is the rest of the country: disclosure control guards against outsiders, not
  against a reader who holds most of a cell.
- 等级与位次只透露先后；项目很多的读者可以逼近分级界限。 Tiers and ranks tell an order; a reader with many projects can come near the limits between tiers.
- 检索自身也受检验：每次都埋设若干编号，任何一个未被找出即不发布。 The search is tried itself: codes are planted each time, and one that is not found stops the release.
- 五十家银行（验收世界，每行约五十五笔贷款）：55 份文件写出 19 秒、检索 8 秒、求哈希 8 秒（处理器时间），共 140 MB。
  Fifty banks (the acceptance world, some 55 loans each): 55 files are written in 19 s, searched in 8 s and hashed in 8 s of processor time; 140 MB in all.
- 数字与日期形式的编号只在编号列中查找，以免有人用它们阻断发布。 Codes that are numbers or dates are looked for in columns of codes only, or their owners could stop
  releases with them.
"""
_MARK = {True: "✓", False: "—"}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _told(choice: Choice) -> str:
    parts = [f"行 / rows: `{_cell(choice.where)}`"] if choice.where else []
    parts += [f"列 / columns: {', '.join(f'`{name}`' for name in choice.replace)}"] if choice.replace else []
    return "; ".join(parts) or _MARK[choice.included]


def _kinds(policy: Policy) -> Iterator[str]:
    yield "\n| 读者 | audience | 文件 file | 理由 | reason |\n| --- | --- | --- | --- | --- |\n"
    for kind in policy.kinds.values():
        file = f"`{kind.name}_<…>.duckdb`" if kind.members else f"`{kind.name}.duckdb`"
        yield f"| {kind.title['zh']} | {kind.title['en']} | {file} | {kind.reason['zh']} | {kind.reason['en']} |\n"


def render_audience_page(policy: Policy) -> str:
    """The page: the kinds of readers, then per mart and kind what is given and why."""
    lines = [_HEAD, *_kinds(policy)]
    lines.append("\n| 指标表 mart | 读者 audience | 给什么 what | 理由 | reason |\n| --- | --- | --- | --- | --- |\n")
    for mart, choices in sorted(policy.marts.items()):
        for kind, choice in choices.items():
            lines.append(f"| `{mart}` | {kind} | {_told(choice)} | {_cell(choice.reason['zh'])} | {_cell(choice.reason['en'])} |\n")
    return "".join(lines)
