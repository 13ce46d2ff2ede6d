"""What the library says of a command line that it cannot take, in the reader's language. It says it in English only; what is not known
here is passed on as it came, so that nothing it says is lost.
"""

from __future__ import annotations

import re
import sys

from typer.exceptions import TyperException

from ingest.inert import visible
from warehouse.texts import say

# Text key -> the library's sentence; `reason` is a sentence of this table itself.
_SENTENCES = {
    "usage.missing_option": r"Missing option (?P<name>'[^']*'(?: / '[^']*')*)\.(?P<more>.*)",
    "usage.missing_argument": r"Missing argument (?P<name>'[^']*')\.(?P<more>.*)",
    "usage.missing_command": r"Missing command\.",
    "usage.no_option_but": r"No such option: (?P<name>.*?) \(Possible options: (?P<known>[^)]*)\)",
    "usage.no_option": r"No such option: (?P<name>.*)",
    "usage.no_command_but": r"No such command (?P<name>.*?)\. Did you mean (?P<known>.*)\?",
    "usage.no_command": r"No such command (?P<name>.*)\.",
    "usage.extra": r"Got unexpected extra arguments?(?:\(s\))? \((?P<names>.*)\)",
    "usage.needs_argument": r"Option (?P<name>'[^']*') requires an argument\.",
    "usage.takes_no_value": r"Option (?P<name>'[^']*') does not take a value\.",
    "usage.invalid_of": r"Invalid value for (?P<name>'[^']*'(?: / '[^']*')*): (?P<reason>.*)",
    "usage.invalid": r"Invalid value: (?P<reason>.*)",
    "usage.no_whole_number": r"Input should be a valid integer.*",
    "usage.no_number": r"Input should be a valid number.*",
    "usage.at_least": r"Input should be greater than or equal to (?P<bound>.*)",
    "usage.at_most": r"Input should be less than or equal to (?P<bound>.*)",
}


def speak_usage(message: str, lang: str) -> str:
    """The library's sentence in a language; one that is not known as it is."""
    for key, pattern in _SENTENCES.items():
        found = re.fullmatch(pattern, message, re.DOTALL)
        if found:
            places = found.groupdict(default="")
            if "reason" in places:
                places["reason"] = speak_usage(places["reason"], lang)
            return say(key, lang, **places)
    return message


def tell_usage(error: TyperException, lang: str) -> None:
    """Say on stderr what was wrong, after how the command is called; a command that asks for nothing more than its help gives that."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help():
        sys.stderr.write(message + "\n")
        return
    lines = []
    if context is not None:
        lines.append(context.get_usage())
        if context.command.get_help_option(context) is not None:
            lines.append(say("usage.try", lang, command=f"{context.command_path} {context.help_option_names[0]}"))
        lines.append("")
    lines.append(say("usage.error", lang, message=visible(speak_usage(message, lang))))
    sys.stderr.write("\n".join(lines) + "\n")
