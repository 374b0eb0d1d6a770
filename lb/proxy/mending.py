"""What is looked at in the bytes of an answer, since llhttp does not tell it."""

from __future__ import annotations

import re
from typing import Final

_OTHER_AFTER_INTERIM: Final = re.compile(rb"(?:HTTP/1\.1 1\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r\n)+(?:RTSP|ICE)/")


def is_http(data: bytes) -> bool:
    """Whether an answer that begins with `data` may be HTTP: llhttp takes RTSP/1.0 and ICE/1.0 for HTTP/1.0."""
    return data.lstrip(b"\r\n")[:1] in (b"H", b"")


def is_http_after_interim(data: bytes) -> bool:
    """Whether what follows the 1xx at the beginning of `data` may be HTTP."""
    return _OTHER_AFTER_INTERIM.match(data) is None
