"""Text that somebody else wrote, made harmless for terminals and logs: shown, never obeyed."""

from __future__ import annotations


def visible(text: str) -> str:
    """A text for a terminal, also where a file, its name or a message gave it: control characters and direction marks are shown by number,
    never sent; line breaks stay.
    """
    return "".join(character if character.isprintable() or character == "\n" else f"\\u{ord(character):04x}" for character in text)


def visible_line(text: object) -> str:
    """The same on one line: a line break in a name would otherwise begin a line of a log that nobody wrote."""
    return visible(str(text)).replace("\n", "\\u000a")
