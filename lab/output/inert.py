"""Text from elsewhere, made fit for whatever shows it.

Backends, headers, scenario files, file names and error messages are somebody else's. A terminal obeys the escape
sequences in them, a bidi override makes a line read as another one, XML 1.0 has no way to write most control
characters, and UTF-8 none to write half a surrogate pair. So text passes `inert` where it leaves the lab: in
`lab.output.terminal` (terminals), `lab.report.junit` (XML), `lab.report.pages` (HTML), `markdown` (below), and
`lab.output.atomic_write`.
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

_INVISIBLE: Final = frozenset(
    map(chr, [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)])
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
"""Letters and marks that show nothing (Default_Ignorable_Code_Point of Unicode), which `str.isprintable` lets pass."""
LINE_LONG: Final = 500
"""Characters of one quoted line: five rows of a terminal, more than any message of ours needs."""
_MARKDOWN: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": "\\|", "\\": "&#92;", "`": "&#96;", "*": "&#42;", "[": "&#91;", "\n": " "}
)
"""`\\|` is the only way to write a bar inside a cell; a backslash before it must not be one."""


def inert(text: str, keep: str = "") -> str:
    """Return the text with each character that controls, hides or turns what is shown written as `\\x1b` or `\\u202e`.

    What is in `keep`, such as a line break, stays. Text that is inert already stays as it is.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(each if each in keep or _shows(each) else _named(each) for each in text)


def one_line(text: str, long: int = LINE_LONG) -> str:
    """Return the text inert, on one line of at most so many characters."""
    shown = inert(text[: long + 1])
    return shown if len(shown) <= long else f"{shown[: long - 1]}…"


def quoted(value: Any) -> str:
    """Return the value as Python writes it, on one bounded line, however large or nested or self-referent it is."""
    try:
        return one_line(_SHORT.repr(value), 200)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def shown(value: Any) -> Any:
    """Return what a template puts into a page: `finalize` of jinja. Markup is ours, and consists of such text."""
    return inert(value, keep="\n") if type(value) is str else value


def markdown(text: str) -> str:
    """Return the text for a cell or a line of GitHub-flavoured Markdown, where it is text and nothing else."""
    return inert(text, keep="\n").translate(_MARKDOWN)


def _shows(each: str) -> bool:
    return each.isprintable() and each not in _INVISIBLE


def _named(each: str) -> str:
    return each.encode("unicode_escape").decode("ascii")


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
