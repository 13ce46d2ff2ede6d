"""What can be wrong with a whole file, each with a code and one sentence in both languages."""

from __future__ import annotations

from ingest.contract import Message

# What a workbook shows in a cell that it could not compute (ECMA-376 part 1, 18.17.3, and what later programs added), and what the
# reader puts where a formula was saved without ever having been computed.
UNCOMPUTED = "#UNCOMPUTED!"
CELL_ERRORS = (
    "#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA", "#FIELD!",
    "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#BUSY!", "#PYTHON!", "#EXTERNAL!", UNCOMPUTED,
)  # fmt: skip


class FileRefused(Exception):
    """A file of which nothing lands.

    Args:
        code: `unreadable`, `no_data_rows`, `header_repeated`, `column_missing`, `too_many_bad_rows`, `unsafe`, `too_large`, `layout_unknown`,
            `layout_refused`, `layout_failed`, `table_key_repeated` or `gate`.
        message: one sentence that says what was expected, what was found and what to do.
    """

    def __init__(self, code: str, message: Message) -> None:
        super().__init__(f"{code}: {message.zh} / {message.en}")
        self.code = code
        self.message = message


def unreadable(zh: str, en: str) -> FileRefused:
    return FileRefused("unreadable", Message(zh, en))
