"""HTTP calls with the standard library, without proxies and without following redirects."""

from __future__ import annotations

import urllib.request
from email.message import Message
from typing import IO


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Never: the caller gets an `HTTPError` with the status and the Location."""


def direct_opener() -> urllib.request.OpenerDirector:
    """An opener that uses no proxy from the environment, which must not see loopback traffic, and follows nothing."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
