"""Makes control characters inert in text that does not come from the lab.

Backends, headers, scenario files, file names and error messages may contain anything. A terminal executes escape
sequences in them, a bidirectional override changes how a line reads, XML 1.0 cannot represent most control characters,
and UTF-8 cannot encode a lone surrogate. So text passes through `inert` where it leaves the lab: in
`lab.output.terminal` (terminals), `lab.report.junit` (XML), `lab.report.page_kit` (HTML), and `markdown` (below).
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

_INVISIBLE: Final = frozenset(
    map(chr, [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)])
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
"""Invisible letters and marks (Default_Ignorable_Code_Point of Unicode) that `str.isprintable` accepts."""
MAX_LINE: Final = 500
"""Maximum characters of a quoted line: about five rows of a terminal, more than any message of the lab needs."""
_MARKDOWN: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "|": "\\|", "\\": "&#92;", "`": "&#96;", "*": "&#42;", "[": "&#91;", "\n": " "}
)
"""Inside a table cell, `|` can only be written as `\\|`, so backslashes of the text become entities."""


def inert(text: str, keep: str = "") -> str:
    """Return the text with control, invisible and direction-changing characters escaped, such as `\\x1b` or `\\u202e`.

    Characters in `keep`, such as a line break, are not escaped. The function is idempotent.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(each if each in keep or _is_visible(each) else _escaped(each) for each in text)


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Return the text inert on one line, cut off after `limit` characters."""
    shown = inert(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def quoted(value: Any) -> str:
    """Return a short `repr` of any value on one line, even if it is huge, deeply nested or contains itself."""
    try:
        return one_line(_SHORT.repr(value), 200)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return "a number of thousands of digits"


def finalize(value: Any) -> Any:
    """Return a value for a page (`finalize` of jinja). Strings are made inert; Markup is inert already."""
    return inert(value, keep="\n") if type(value) is str else value


def markdown(text: str) -> str:
    """Return the text escaped for a cell or a line of GitHub-flavoured Markdown."""
    return inert(text, keep="\n").translate(_MARKDOWN)


def _is_visible(each: str) -> bool:
    return each.isprintable() and each not in _INVISIBLE


def _escaped(each: str) -> str:
    return each.encode("unicode_escape").decode("ascii")


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
