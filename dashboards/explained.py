"""The command that explains a row's figure, as a text beside it: what an analyst copies to ask where a number comes from.

An explanation shows rows of every enterprise behind a figure, so it is the ministry's; and a link would need a server that Superset is not.
"""

from __future__ import annotations

from dashboards.charts import COMMAND, Node

# No command is written for a key with what a shell takes for itself within double quotes, what ends a text of SQL, or what cannot be seen.
_OBEYED = r"""["'$`\\!\p{C}]"""


def name_command(column: str) -> str:
    """The column that holds the command for another one."""
    return f"{COMMAND}_{column}"


def write_command(mart: str, table: Node, column: str) -> str:
    """SQL of the command for one figure of a row; null where a key holds what a shell would not leave as it is.

    Raises:
        KeyError: the mart has no key, or no such column.
    """
    kinds = table["columns"]
    if column not in kinds or not table.get("key"):
        raise KeyError(f"{mart}.{column}")
    parts, values = [], []
    for name in table["key"]:
        value = f"cast({name} as varchar)"
        values.append(f"coalesce({value}, '')")
        opening, closing = {"VARCHAR": ("''", "''"), "DATE": ("date ''", "''"), "TIMESTAMP": ("timestamp ''", "''")}.get(
            kinds[name], ("", "")
        )
        parts.append(f"case when {name} is null then '{name} is null' else '{name} = {opening}' || {value} || '{closing}' end")
    where = " || ' and ' || ".join(parts)
    command = f"""'tanlian explain {mart} --column {column} --where "' || {where} || '"'"""
    obeyed = _OBEYED.replace("'", "''")
    return f"case when not regexp_matches({' || '.join(values)}, '{obeyed}') then {command} end"
