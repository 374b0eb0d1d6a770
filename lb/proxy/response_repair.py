"""Repairs response heads that llhttp refuses although they are not ambiguous."""

from __future__ import annotations

import re
from typing import Final

from .response_framing import has_no_body

_END: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class PartialHead:
    """The received part of a response head that is not parsed yet. It is rarely needed: most heads arrive in one
    segment."""

    __slots__ = ("interims", "raw", "refused")

    def __init__(self) -> None:
        self.raw = b""
        self.interims = 0
        """Number of complete 1xx heads at the beginning of `raw`."""
        self.refused = False
        """Whether the parser has refused the head after the 1xx heads. That head is not complete yet."""

    def repair(self, data: bytes, method: str) -> bytes | None:
        """Add `data`. Return the repaired head and the bytes after it, for a new parser.

        Return empty bytes while the head is not complete, and None if it cannot be repaired.
        """
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
        head = repaired(self.raw[start : end + len(_END)], method)
        return None if head is None else head + self.raw[end + len(_END) :]


def repaired(head: bytes, method: str) -> bytes | None:
    """Remove white space before colons (RFC 9112 §5.1) from a complete head, and framing fields if the response has no
    body (§6.3). Return None if this changes nothing, or if the framing would remain ambiguous."""
    line = _STATUS_LINE.match(head)
    if line is None or line[1] == b"101":
        return None  # what follows a 101 is another protocol
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
