"""Links from the rows of the ministry's tables to the page that explains a figure of the row.

An explanation shows rows of every enterprise behind a figure, so it is the ministry's. A table with links is shown as HTML, in which a text
that somebody sent could be markup: every text of such a table is therefore shown through a column that makes it a text again.
"""

from __future__ import annotations

from dashboards.charts import LINK, Node, name_shown
from dashboards.named_columns import name_columns

# Answered by Superset itself (superset/explain_page.py), so that who may ask is who is signed in there.
ADDRESS = "/tanlian/explain"
_QUOTES = {"VARCHAR": ("''", "''"), "DATE": ("date ''", "''"), "TIMESTAMP": ("timestamp ''", "''")}


def name_link(column: str, lang: str) -> str:
    """The column that holds the links for another one."""
    return f"{LINK}_{column}_{lang}"


def write_link(mart: str, table: Node, column: str, lang: str, text: str) -> str:
    """SQL of a row's link, in which the row is named by the mart's key.

    Raises:
        KeyError: the mart has no key, or no such column.
    """
    kinds = table["columns"]
    if column not in kinds or not table.get("key"):
        raise KeyError(f"{mart}.{column}")
    parts = []
    for name in table["key"]:
        opening, closing = _QUOTES.get(kinds[name], ("", ""))
        value = f"replace(cast({name} as varchar), '''', '''''')"
        parts.append(f"case when {name} is null then '{name} is null' else '{name} = {opening}' || {value} || '{closing}' end")
    where = " || ' and ' || ".join(parts)
    address = f"{ADDRESS}?mart={mart}&amp;column={column}&amp;lang={lang}&amp;where="
    return f"""'<a href="{address}' || url_encode({where}) || '" target="_blank">{text}</a>'"""


def show_texts(columns: Node) -> dict[str, str]:
    """Column -> SQL by which a text of the mart, or the name of a code, is a text where HTML is shown."""
    texts = {name: name for name, kind in columns.items() if kind == "VARCHAR"}
    # Flags and days are named by this repository alone.
    named = {name: sql for name, sql in name_columns({name: "VARCHAR" for name in texts}).items() if name not in columns}
    return {name_shown(name): _write_shown(sql) for name, sql in (texts | named).items()}


def _write_shown(text: str) -> str:
    # Superset takes a text for HTML where it holds an element: without "<" it holds none, and of what is in this element none is left.
    inert = f"replace(replace(replace({text}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')"
    return f"case when contains({text}, '<') then '<span>' || {inert} || '</span>' else {text} end"
