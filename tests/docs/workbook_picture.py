"""Draw a workbook as a picture for the pages: its own cells, colours and comments as HTML, photographed by Chromium. No office program is needed.

python tests/docs/workbook_picture.py WORKBOOK.xlsx OUT.png
"""

from __future__ import annotations

import html
import shutil
import sys
from pathlib import Path
from typing import Any

import openpyxl
from playwright.sync_api import sync_playwright

STYLE = (
    "body{font:13px 'Noto Sans CJK SC','Noto Sans',sans-serif;margin:12px;width:1180px;background:#fff}"
    "table{border-collapse:collapse;margin:0 0 6px}td,th{border:1px solid #c8c8c8;padding:3px 6px;vertical-align:top;max-width:330px}"
    "th{background:#eee;font-weight:normal;color:#555}.tab{display:inline-block;border:1px solid #c8c8c8;border-bottom:3px solid #217346;"
    "padding:3px 12px;margin:8px 0 4px}.wide{border:0}.note{white-space:pre-wrap;background:#ffffe1;border:1px solid #999;padding:6px 10px;"
    "margin:2px 0 12px;width:560px}"
)


def draw_sheet(sheet: Any) -> str:
    """A sheet's cells in its own colours, and below it its comments."""
    width = sheet.max_column
    rows, notes = [], []
    for row in sheet.iter_rows():
        filled = [cell for cell in row if cell.value not in (None, "")]
        if len(filled) == 1 and filled[0].column == 1:
            words = html.escape(str(filled[0].value))
            rows.append(
                f"<tr><th>{row[0].row}</th><td class='wide' colspan='{width}'>{'<b>' + words + '</b>' if filled[0].font.b else words}</td></tr>"
            )
            continue
        cells = []
        for cell in row:
            colour = cell.fill.fgColor.rgb[2:] if cell.fill.fill_type == "solid" else "ffffff"
            weight = "bold" if cell.font.b else "normal"
            cells.append(f"<td style='background:#{colour};font-weight:{weight}'>{html.escape(str(cell.value or ''))}</td>")
            if cell.comment:
                notes.append(f"<div class='note'><b>{cell.coordinate}</b>\n{html.escape(cell.comment.text)}</div>")
        rows.append(f"<tr><th>{row[0].row}</th>{''.join(cells)}</tr>")
    return f"<div class='tab'>{html.escape(sheet.title)}</div><table>{''.join(rows)}</table>{''.join(notes)}"


def take_picture(workbook: Path, out: Path) -> None:
    """Write the picture of a workbook's visible sheets."""
    book = openpyxl.load_workbook(workbook)
    drawn = "".join(draw_sheet(sheet) for sheet in book.worksheets if sheet.sheet_state == "visible")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1220, "height": 400})
        page.set_content(f"<html><head><meta charset='utf-8'><style>{STYLE}</style></head><body>{drawn}</body></html>")
        page.screenshot(path=str(out), full_page=True)
        browser.close()


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
