"""HTTP calls with the standard library, without proxies and without following redirects."""

from __future__ import annotations

import urllib.request
from email.message import Message
from typing import IO


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Return None: the caller gets an `HTTPError` with status and Location."""


def direct_opener() -> urllib.request.OpenerDirector:
    """Return an opener that follows no redirects and ignores proxies, which must not get loopback traffic."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
