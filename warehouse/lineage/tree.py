"""An explanation as a tree on the terminal."""

from __future__ import annotations

from typing import Any

from rich.text import Text
from rich.tree import Tree

from ingest.inert import visible
from warehouse.terminal import Terminal
from warehouse.texts import write_utc

SHOWN_ROWS = 8
SHOWN_LIST_ROWS = 4
SHOWN_EXPRESSIONS = 4


def show_explanation(terminal: Terminal, document: dict[str, Any]) -> None:
    """Print the tree; texts from files are shown as text, never as markup."""
    text, lang = terminal.text, terminal.lang
    title = f"{document['mart']}.{document['column']} = {document['value']}"
    tree = Tree(_inert(title, "bold"))
    tree.add(_inert(", ".join(f"{name} = {value}" for name, value in document["key"].items())))
    tree.add(_inert(_tell_release(terminal, document["release"]), "dim"))
    tree.add(_inert(f"{text('explain.rule')}: {document['rule'][lang]}"))
    method = tree.add(_inert(f"{text('explain.method')} {document['method']['section']}: {document['method'][lang]}"))
    for section in document["method"]["texts"]:
        method.add(_inert(f"{section['code']} {section['title'][lang]}: {section['text'][lang]}", "dim"))
    chain = tree.add(_inert(text("explain.chain")))
    for step in document["steps"]:
        branch = chain.add(_inert(text("explain.model_rows", model=step["model"], count=step["row_count"])))
        for made in step["expressions"][:SHOWN_EXPRESSIONS]:
            branch.add(_inert(f"{made['column']} = {' '.join(made['sql'].split())}", "dim"))
    sources = tree.add(_inert(text("explain.sources")))
    if not document["is_additive"]:
        sources.add(_inert(text("explain.not_additive"), "yellow"))
    for source in document["sources"]:
        _add_source(terminal, sources, source)
    lists = tree.add(_inert(text("explain.lists")))
    for entry in document["lists"]:
        branch = lists.add(_inert(text("explain.list", name=entry["list"], count=entry["row_count"])))
        for row in entry["rows"][:SHOWN_LIST_ROWS]:
            branch.add(_inert(", ".join(f"{name} = {value}" for name, value in row["cells"].items() if value is not None), "dim"))
        _add_more(terminal, branch, entry["row_count"] - SHOWN_LIST_ROWS)
    terminal.out.print(tree)


def _add_source(terminal: Terminal, tree: Tree, source: dict[str, Any]) -> None:
    text = terminal.text
    title = text(
        "explain.source",
        title=source["title"][terminal.lang],
        source=source["source"],
        count=source["row_count"],
        carrying=source["carrying_count"],
    )
    branch = tree.add(_inert(title, "bold" if source["carrying_count"] else ""))
    for row in source["rows"][:SHOWN_ROWS]:
        place = text("explain.row", file=row["file"], row=row["row_number"])
        role = f"{row['share']:.6%}" if row["share"] is not None else text(f"explain.{row['role']}")
        cells = ", ".join(
            f"{name} = {cell['value']} {cell['unit'] or ''}".rstrip() for name, cell in row["cells"].items() if cell["role"] == "carries"
        )
        key = ", ".join(str(value) for value in row["key"].values())
        leaf = branch.add(_inert(f"{role}  {place}  [{key}]  {cells}", "" if row["role"] == "carries" else "dim"))
        delivery = row["delivery"]
        if "received_at" in delivery and row["role"] == "carries":
            words = text(
                "explain.delivery",
                **(delivery | {"verdict": text(f"verdict.{delivery['verdict']}"), "received_at": write_utc(delivery["received_at"])}),
            )
            leaf.add(_inert(words, "dim"))
        for event in row["history"]:
            if "reasons" in event:
                why = "; ".join(reason[f"message_{terminal.lang}"] for reason in event["reasons"])
                leaf.add(_inert(text(f"explain.{event['event']}", **(event | {"reasons": why, "at": write_utc(event["at"] or "")})), "dim"))
    _add_more(terminal, branch, source["row_count"] - SHOWN_ROWS)


def _tell_release(terminal: Terminal, release: dict[str, Any]) -> str:
    return terminal.text("explain.release", **(release | {"as_of": write_utc(release["as_of"])}))


def _add_more(terminal: Terminal, tree: Tree, count: int) -> None:
    if count > 0:
        tree.add(_inert(terminal.text("explain.more", count=count), "dim"))


def _inert(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


SHOWN_FIGURES = 6


def show_moved(terminal: Terminal, document: dict[str, Any]) -> None:
    """Print which published figures a row moves, by mart."""
    text = terminal.text
    change = document["change"]
    key = "reverse.cells" if change["cells"] else "reverse.withheld"
    cells = ", ".join(f"{name} = {value}" for name, value in change["cells"].items())
    title = text(key, file=change["file"], row=change["row_number"], source=change["source"], cells=cells, count=document["figure_count"])
    tree = Tree(_inert(title, "bold"))
    tree.add(_inert(_tell_release(terminal, document["release"]), "dim"))
    for mart, figures in document["marts"].items():
        branch = tree.add(_inert(text("reverse.mart", mart=mart, count=len(figures))))
        for figure in figures[:SHOWN_FIGURES]:
            place = ", ".join(str(value) for value in figure["key"].values())
            words = text(f"reverse.{figure['kind']}", before=figure["before"], after=figure["after"])
            branch.add(_inert(f"{figure['column']} [{place}]  {words}"))
        _add_more(terminal, branch, len(figures) - SHOWN_FIGURES)
    terminal.out.print(tree)
