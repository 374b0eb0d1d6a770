"""Heads of answers that llhttp refuses although nobody could read them in two ways."""

from __future__ import annotations

import re
from typing import Final

from .response_framing import has_no_body

_END: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class Draft:
    """What has come of an answer whose head is not read yet: usually nothing, since heads come whole."""

    __slots__ = ("interims", "raw", "refused")

    def __init__(self) -> None:
        self.raw = b""
        self.interims = 0
        """How many whole 1xx heads `raw` begins with."""
        self.refused = False
        """The parser has refused the head that follows them; the rest of it is waited for."""

    def mend(self, data: bytes, method: str) -> bytes | None:
        """What to feed a new parser with, now that one has refused the head that `data` continues: the mended head and
        what follows it; empty while the head is not complete. None where nothing is to be mended."""
        self.raw += data
        start = 0
        for _ in range(self.interims):
            start = self.raw.find(_END, start) + len(_END)
        end = self.raw.find(_END, start)
        if _STATUS_LINE.match(self.raw, start) is None:
            return None
        self.refused = end < 0
        if self.refused:
            return b""
        head = mended(self.raw[start : end + len(_END)], method)
        return None if head is None else head + self.raw[end + len(_END) :]


def mended(head: bytes, method: str) -> bytes | None:
    """A complete head without white space in front of its colons (RFC 9112 §5.1), and without framing fields where the
    answer has no body (§6.3). None where that is all right already, or leaves the framing in doubt."""
    line = _STATUS_LINE.match(head)
    if line is None or line[1] == b"101":
        return None  # what follows a switch is no longer ours to cut up
    bodiless = has_no_body(method, int(line[1]))
    kept = []
    for field in head[line.end() : -len(_END)].split(b"\r\n"):
        name, colon, value = field.partition(b":")
        stripped = name.rstrip(b" \t")
        if stripped.lower() not in _FRAMING:
            kept.append(stripped + colon + value)
        elif not bodiless:
            if stripped != name:
                return None
            kept.append(field)
    whole = b"%s%s%s" % (line[0], b"\r\n".join(kept), _END if kept else b"\r\n")
    return whole if whole != head else None
