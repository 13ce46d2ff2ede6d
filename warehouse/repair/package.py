"""A workbook as the zip of parts it is: what is added (sheets, comments, styles, the mark) and nothing else changed."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from warehouse.repair import mark
from warehouse.repair.sheet import (
    RELATIONSHIPS,
    CannotEdit,
    Choice,
    add_choices,
    add_legacy_drawing,
    column_letters,
    deselect,
    prefix_of,
    style_cells,
    text_of,
)

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_MOST_PART_BYTES = 256 << 20
AUTHOR = "碳联 Tanlian"


@dataclass(frozen=True)
class Style:
    """How cells look: colour of the fill (RRGGBB, or `none` to take one away), bold, wrapped."""

    fill: str | None = None
    bold: bool = False
    wrap: bool = False


@dataclass
class Note:
    """What is said of one cell of the data sheet: row from 1, column from 0."""

    row: int
    column: int
    text: str
    style: Style


@dataclass(frozen=True)
class Line:
    """One row of an added sheet: texts with a style each, and the place of the data sheet that the first links to."""

    cells: Sequence[tuple[str, Style]]
    link: str | None = None


@dataclass
class AddedSheet:
    """A sheet to be added: its lines, column widths and whether it is hidden."""

    name: str
    lines: list[Line]
    widths: Sequence[int] = ()
    hidden: bool = False


@dataclass
class Workbook:
    """The parts of a workbook, edited in place and written back in their order."""

    parts: dict[str, bytes]
    infos: dict[str, zipfile.ZipInfo]
    _styles: dict[tuple[int, Style], int] = field(default_factory=dict)

    # Reading and writing

    @classmethod
    def read(cls, data: bytes) -> Workbook:
        """Raises CannotEdit where a part is larger than is sensible."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(info.file_size > _MOST_PART_BYTES for info in archive.infolist()):
                raise CannotEdit("a part is too large")
            infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            return cls({name: archive.read(name) for name in infos}, infos)

    def write(self) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.parts.items():
                # A fixed time: the same findings give the same bytes.
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        return out.getvalue()

    def text(self, name: str) -> str:
        if name not in self.parts:
            raise CannotEdit(f"no part {name}")
        return text_of(self.parts[name])

    def put(self, name: str, text: str) -> None:
        self.parts[name] = text.encode("utf-8")

    # Relations and content types

    def relations(self, part: str) -> str:
        folder, name = posixpath.split(part)
        return posixpath.join(folder, "_rels", f"{name}.rels")

    def related(self, part: str, kind: str) -> dict[str, str]:
        """Relation id -> part name, of the relations of a kind."""
        name = self.relations(part)
        if name not in self.parts:
            return {}
        found = {}
        for element in re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", self.text(name)):
            values = dict(re.findall(r"(\w+)\s*=\s*[\"']([^\"']*)[\"']", element))
            if values.get("Type", "").endswith("/" + kind) and values.get("TargetMode") != "External":
                target = values["Target"]
                found[values["Id"]] = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(posixpath.dirname(part), target))
                )
        return found

    def relate(self, part: str, kind: str, target: str, base: str = RELATIONSHIPS) -> str:
        name = self.relations(part)
        xml = self.text(name) if name in self.parts else f'{_HEAD}<Relationships xmlns="{_PACKAGE}"></Relationships>'
        xml = re.sub(r"<((?:\w+:)?)Relationships\b([^>]*)/>", r"<\1Relationships\2></\1Relationships>", xml)
        number = 1
        while f'"tanlian{number}"' in xml:
            number += 1
        prefix = prefix_of(xml, "Relationships")
        made = f'<{prefix}Relationship Id="tanlian{number}" Type="{base}/{kind}" Target="/{target}"/>'
        self.put(name, xml.replace(f"</{prefix}Relationships>", made + f"</{prefix}Relationships>"))
        return f"tanlian{number}"

    def declare(self, part: str, content_type: str) -> None:
        xml = self.text("[Content_Types].xml")
        prefix = prefix_of(xml, "Types")
        made = f'<{prefix}Override PartName="/{part}" ContentType="{content_type}"/>'
        self.put("[Content_Types].xml", xml.replace(f"</{prefix}Types>", made + f"</{prefix}Types>"))

    def declare_suffix(self, suffix: str, content_type: str) -> None:
        xml = self.text("[Content_Types].xml")
        if re.search(rf'Extension\s*=\s*["\']{suffix}["\']', xml, re.IGNORECASE):
            return
        found = re.search(r"<((?:\w+:)?)Types\b[^>]*>", xml)
        if found is None:
            raise CannotEdit("no content types")
        made = f'<{found[1]}Default Extension="{suffix}" ContentType="{content_type}"/>'
        self.put("[Content_Types].xml", xml[: found.end()] + made + xml[found.end() :])

    # The workbook

    @property
    def main(self) -> str:
        found = list(self.related("", "officeDocument").values())
        if not found or b"purl.oclc.org" in self.parts.get(found[0], b""):
            raise CannotEdit("no workbook part, or one in the strict form")
        return found[0]

    def sheets(self) -> dict[str, str]:
        """Sheet name -> part, in order."""
        xml = self.text(self.main)
        parts = self.related(self.main, "worksheet")
        found = {}
        for element in re.findall(r"<(?:\w+:)?sheet\b[^>]*>", xml):
            values = dict(re.findall(r"([\w:]+)\s*=\s*[\"']([^\"']*)[\"']", element))
            relation = next((value for name, value in values.items() if name.endswith(":id")), "")
            if relation in parts:
                found[_unescape(values["name"])] = parts[relation]
        return found

    def rename(self, old: str, new: str) -> None:
        """Give a sheet another name, and tell whatever names it: formulas, defined names, charts, pivot tables."""
        if old == new:
            return
        bare, quoted = escape(old), escape("'" + old.replace("'", "''") + "'")
        forms = [re.escape(quoted + "!")] + ([rf"(?<![\w'.\]]){re.escape(bare)}!"] if re.fullmatch(r"[\w.]+", old) else [])
        naming = re.compile(r"(<(?:\w+:)?(?:f|formula|formula1|formula2|definedName)\b[^>]*>)([^<]*)")
        for name, data in self.parts.items():
            if name.endswith(".xml") and (bare.encode() in data):
                xml = text_of(data)
                xml = naming.sub(lambda found: found[1] + re.sub("|".join(forms), f"{new}!", found[2]), xml)
                if "pivotCacheDefinition" in name:
                    xml = xml.replace(f"sheet={quoteattr(old)}", f"sheet={quoteattr(new)}")
                self.put(name, xml)
        xml = self.text(self.main)
        changed = re.sub(
            r"(<(?:\w+:)?sheet\b[^>]*?\bname\s*=\s*)([\"'])(.*?)\2",
            lambda found: f"{found[1]}{quoteattr(new)}" if _unescape(found[3]) == old else found[0],
            xml,
        )
        self.put(self.main, changed)

    def add_sheet(self, sheet: AddedSheet, first: bool) -> None:
        part = f"xl/worksheets/tanlian_{'lists' if sheet.hidden else 'summary'}.xml"
        self.put(part, self._sheet_xml(sheet))
        self.declare(part, f"{_TYPES}.worksheet+xml")
        relation = self.relate(self.main, "worksheet", part)
        xml = self.text(self.main)
        prefix = prefix_of(xml, "sheets")
        numbers = [int(number) for number in re.findall(r"\bsheetId\s*=\s*[\"'](\d+)[\"']", xml)]
        hidden = ' state="hidden"' if sheet.hidden else ""
        made = (
            f'<{prefix}sheet xmlns:r="{RELATIONSHIPS}" name={quoteattr(sheet.name)} sheetId="{max(numbers, default=0) + 1}"{hidden}'
            f' r:id="{relation}"/>'
        )
        if first:
            xml = re.sub(rf"(<{prefix}sheets\b[^>]*>)", lambda found: found[1] + made, xml, count=1)
            xml = re.sub(r"\blocalSheetId\s*=\s*[\"'](\d+)[\"']", lambda found: f'localSheetId="{int(found[1]) + 1}"', xml)
            xml = re.sub(r"\s+(?:activeTab|firstSheet)\s*=\s*[\"']\d+[\"']", "", xml)
        else:
            xml = xml.replace(f"</{prefix}sheets>", made + f"</{prefix}sheets>")
        self.put(self.main, xml)

    def _sheet_xml(self, sheet: AddedSheet) -> str:
        widths = "".join(f'<col min="{i}" max="{i}" width="{width}" customWidth="1"/>' for i, width in enumerate(sheet.widths, 1))
        rows, links = [], []
        for number, line in enumerate(sheet.lines, 1):
            cells = "".join(
                f'<c r="{column_letters(place)}{number}" s="{self.style(0, style)}" t="inlineStr"><is><t xml:space="preserve">{_clean(text)}</t></is></c>'
                for place, (text, style) in enumerate(line.cells)
                if text or style.fill
            )
            rows.append(f'<row r="{number}">{cells}</row>')
            if line.link:
                links.append(f'<hyperlink ref="A{number}" location={quoteattr(line.link)} display=""/>')
        view = "" if sheet.hidden else '<sheetViews><sheetView tabSelected="1" workbookViewId="0"/></sheetViews>'
        hyperlinks = f"<hyperlinks>{''.join(links)}</hyperlinks>" if links else ""
        return (
            f'{_HEAD}<worksheet xmlns="{_MAIN}">{view}<sheetFormatPr defaultRowHeight="15"/>{f"<cols>{widths}</cols>" if widths else ""}'
            f"<sheetData>{''.join(rows)}</sheetData>{hyperlinks}</worksheet>"
        )

    def deselect_sheets(self) -> None:
        for part in self.sheets().values():
            data = self.parts[part]
            if b"tabSelected" in data:
                self.put(part, deselect(text_of(data)))

    # Styles

    def style(self, old: int, style: Style) -> int:
        """The number of the style that looks like `old` but for `style`; added where there is none yet."""
        if (old, style) not in self._styles:
            self._styles[old, style] = self._add_style(old, style)
        return self._styles[old, style]

    def _styles_part(self) -> str:
        found = list(self.related(self.main, "styles").values())
        if found:
            return found[0]
        part = "xl/tanlian_styles.xml"
        self.put(
            part,
            f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2">'
            '<fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border>'
            "<left/><right/><top/><bottom/><diagonal/></border></borders>"
            '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            '<cellXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/></cellXfs></styleSheet>',
        )
        self.declare(part, f"{_TYPES}.styles+xml")
        self.relate(self.main, "styles", part)
        return part

    def _append(self, xml: str, group: str, made: str) -> tuple[str, int]:
        """Add an element to a counted group; gives its number."""
        found = re.search(rf"<((?:\w+:)?){group}\b([^>]*)>(.*?)</(?:\w+:)?{group}>", xml, re.DOTALL)
        if found is None:
            raise CannotEdit(f"no {group} in the styles")
        single = {"fonts": "font", "fills": "fill", "cellXfs": "xf"}[group]
        count = len(re.findall(rf"<(?:\w+:)?{single}(?=[\s/>])", found[3]))
        head = re.sub(r"\s+count\s*=\s*[\"']\d+[\"']", "", found[2])
        text = f'<{found[1]}{group} count="{count + 1}"{head}>{found[3]}{made}</{found[1]}{group}>'
        return xml[: found.start()] + text + xml[found.end() :], count

    def _add_style(self, old: int, style: Style) -> int:
        part = self._styles_part()
        xml = self.text(part)
        group = re.search(r"<(?:\w+:)?cellXfs\b[^>]*>(.*?)</(?:\w+:)?cellXfs>", xml, re.DOTALL)
        base = re.findall(r"<(?:\w+:)?xf\b[^>]*?/>|<(?:\w+:)?xf\b[^>]*?[^/]>.*?</(?:\w+:)?xf>", group[1], re.DOTALL) if group else []
        if old >= len(base):
            raise CannotEdit(f"no style {old}")
        prefix = prefix_of(xml, "styleSheet")
        made = base[old]
        if style.fill == "none":
            made = _with_attributes(made, fillId="0", applyFill="0")
        elif style.fill:
            fill = (
                f'<{prefix}fill><{prefix}patternFill patternType="solid"><{prefix}fgColor rgb="FF{style.fill}"/>'
                f'<{prefix}bgColor indexed="64"/></{prefix}patternFill></{prefix}fill>'
            )
            xml, number = self._append(xml, "fills", fill)
            made = _with_attributes(made, fillId=str(number), applyFill="1")
        if style.bold:
            font = f'<{prefix}font><{prefix}b/><{prefix}sz val="12"/><{prefix}name val="Calibri"/></{prefix}font>'
            xml, number = self._append(xml, "fonts", font)
            made = _with_attributes(made, fontId=str(number), applyFont="1")
        if style.wrap and not made.endswith(f"</{prefix}xf>"):
            made = _with_attributes(made, applyAlignment="1")
            made = made[:-2].rstrip() + f'><{prefix}alignment vertical="top" wrapText="1"/></{prefix}xf>'
        xml, number = self._append(xml, "cellXfs", made)
        self.put(part, xml)
        return number

    def styles_filled(self, colours: Collection[str]) -> set[int]:
        """Numbers of the cell styles with one of some fills."""
        xml = self.text(self._styles_part())
        groups = {}
        for group, single in (("fills", "fill"), ("cellXfs", "xf")):
            found = re.search(rf"<(?:\w+:)?{group}\b[^>]*>(.*?)</(?:\w+:)?{group}>", xml, re.DOTALL)
            each = rf"<(?:\w+:)?{single}(?=[\s/>])[^>]*?/>|<(?:\w+:)?{single}(?=[\s/>])[^>]*?>.*?</(?:\w+:)?{single}>"
            groups[group] = re.findall(each, found[1], re.DOTALL) if found else []
        wanted = {
            str(number)
            for number, fill in enumerate(groups["fills"])
            if any(f'FF{colour}"' in fill or f'00{colour}"' in fill for colour in colours)
        }
        fill_of = [re.search(r"\bfillId\s*=\s*[\"'](\d+)", style) for style in groups["cellXfs"]]
        return {number for number, found in enumerate(fill_of) if found and found[1] in wanted}

    # The data sheet

    def annotate(self, part: str, notes: Sequence[Note], choices: list[Choice]) -> None:
        """Colour cells, comment them, and offer lists to choose from."""
        marks: dict[int, dict[int, Callable[[int], int]]] = {}
        for note in notes:
            marks.setdefault(note.row, {})[note.column] = lambda old, style=note.style: self.style(old, style)  # type: ignore[misc]
        xml = style_cells(self.text(part), marks) if marks else self.text(part)
        xml = add_choices(xml, choices)
        spoken = [note for note in notes if note.text]
        if spoken:
            xml = self._comment(part, xml, spoken)
        self.put(part, xml)

    def _comment(self, part: str, xml: str, notes: Sequence[Note]) -> str:
        existing = list(self.related(part, "comments").values())
        drawings = list(self.related(part, "vmlDrawing").values())
        if existing and drawings:
            self._extend_comments(existing[0], drawings[0], notes)
            return xml
        if existing or re.search(r"<(?:\w+:)?legacyDrawing\b", xml):
            raise CannotEdit("comments without boxes, or boxes without comments")
        listed = "".join(_comment_xml(note, 0, "") for note in notes)
        comments, drawing = "xl/tanlian_comments.xml", "xl/drawings/tanlian_boxes.vml"
        author = f"<authors><author>{escape(AUTHOR)}</author></authors>"
        self.put(comments, f'{_HEAD}<comments xmlns="{_MAIN}">{author}<commentList>{listed}</commentList></comments>')
        self.put(drawing, _drawing_xml(notes))
        self.declare(comments, f"{_TYPES}.comments+xml")
        self.declare_suffix("vml", "application/vnd.openxmlformats-officedocument.vmlDrawing")
        self.relate(part, "comments", comments)
        return add_legacy_drawing(xml, self.relate(part, "vmlDrawing", drawing))

    def _extend_comments(self, comments: str, drawing: str, notes: Sequence[Note]) -> None:
        """Beside the sender's own comments; where a cell has one, ours is said below it."""
        xml = self.text(comments)
        prefix = prefix_of(xml, "comments")
        number = len(re.findall(r"<(?:\w+:)?author\b", xml))
        xml = re.sub(rf"</{prefix}authors>", f"<{prefix}author>{escape(AUTHOR)}</{prefix}author></{prefix}authors>", xml, count=1)
        new = []
        for note in notes:
            place = f"{column_letters(note.column)}{note.row}"
            found = re.search(rf'<{prefix}comment\b[^>]*\bref\s*=\s*["\']{place}["\'].*?(</{prefix}text>)', xml, re.DOTALL)
            if found is None:
                new.append(note)
            else:
                said = f'<{prefix}r><{prefix}t xml:space="preserve">\n{_clean(note.text)}</{prefix}t></{prefix}r>'
                xml = xml[: found.start(1)] + said + xml[found.start(1) :]
        xml = xml.replace(
            f"</{prefix}commentList>", "".join(_comment_xml(note, number, prefix) for note in new) + f"</{prefix}commentList>"
        )
        self.put(comments, xml)
        boxes = self.parts[drawing].decode("utf-8")
        end = boxes.rindex("</xml>")
        self.put(drawing, boxes[:end] + "".join(_box_xml(note, place) for place, note in enumerate(new, 1)) + boxes[end:])

    # The mark

    def put_mark(self, delivery_id: str) -> None:
        types = "http://schemas.openxmlformats.org/officeDocument/2006"
        # The property declares its own namespaces: a sender's file may name them otherwise, or where they are used only.
        made = (
            f'<property xmlns="{types}/custom-properties" fmtid="{{{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}}}" pid="{{pid}}" name="{{name}}">'
            f'<vt:lpwstr xmlns:vt="{types}/docPropsVTypes">{{value}}</vt:lpwstr></property>'
        )
        if mark.PART in self.parts:
            xml = self.text(mark.PART)
            xml = re.sub(rf'<(?:\w+:)?property\b[^>]*name="{mark.PROPERTY}".*?</(?:\w+:)?property>', "", xml, flags=re.DOTALL)
            pids = [int(pid) for pid in re.findall(r'\bpid\s*=\s*["\'](\d+)["\']', xml)]
            item = made.format(pid=max(pids, default=1) + 1, name=mark.PROPERTY, value=delivery_id)
            self.put(mark.PART, re.sub(r"</((?:\w+:)?)Properties>", item.replace("\\", "") + r"</\1Properties>", xml, count=1))
            return
        item = made.format(pid=2, name=mark.PROPERTY, value=delivery_id)
        self.put(mark.PART, f'{_HEAD}<Properties xmlns="{types}/custom-properties">{item}</Properties>')
        self.declare(mark.PART, "application/vnd.openxmlformats-officedocument.custom-properties+xml")
        self.relate("", "custom-properties", mark.PART)


def _unescape(text: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def _clean(text: str) -> str:
    """Text for XML: what it cannot hold is shown by number."""
    return escape("".join(c if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff") else f"\\u{ord(c):04x}" for c in text))


def _with_attributes(element: str, **values: str) -> str:
    found = re.match(r"<[\w:]+[^>]*?(?=/?>)", element)
    if found is None:
        raise CannotEdit("a style without an element")
    head = found[0].rstrip()
    for name, value in values.items():
        head = re.sub(rf"\s+{name}\s*=\s*[\"'][^\"']*[\"']", "", head) + f' {name}="{value}"'
    return head + element[found.end() :]


def _comment_xml(note: Note, author: int, prefix: str) -> str:
    place = f"{column_letters(note.column)}{note.row}"
    text = f'<{prefix}text><{prefix}r><{prefix}t xml:space="preserve">{_clean(note.text)}</{prefix}t></{prefix}r></{prefix}text>'
    return f'<{prefix}comment ref="{place}" authorId="{author}">{text}</{prefix}comment>'


def _box_xml(note: Note, number: int) -> str:
    right, lines = note.column + 5, note.text.count("\n") + 4
    return (
        f'<v:shape xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" id="_x0000_s9{number:04d}" '
        'type="#_x0000_t202" style="position:absolute;margin-left:60pt;margin-top:2pt;width:240pt;height:96pt;z-index:1;visibility:hidden" '
        'fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/><v:path o:connecttype="none"/><v:textbox/>'
        '<x:ClientData xmlns:x="urn:schemas-microsoft-com:office:excel" ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
        f"<x:Anchor>{note.column + 1}, 15, {max(note.row - 2, 0)}, 10, {right}, 15, {note.row + lines}, 4</x:Anchor><x:AutoFill>False</x:AutoFill>"
        f"<x:Row>{note.row - 1}</x:Row><x:Column>{note.column}</x:Column></x:ClientData></v:shape>"
    )


def _drawing_xml(notes: Sequence[Note]) -> str:
    return (
        '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
        'xmlns:x="urn:schemas-microsoft-com:office:excel"><o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="9"/></o:shapelayout>'
        '<v:shapetype id="_x0000_t202" coordsize="21600,21600" o:spt="202" path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/>'
        '<v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
        + "".join(_box_xml(note, place) for place, note in enumerate(notes, 1))
        + "</xml>"
    )
