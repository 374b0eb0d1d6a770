"""Who may ask and who may change: no web page of another site may do either, and changes need the token.

Reading is open to whoever reaches the port by one of its own names. A change is open on loopback until a token is set.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from hmac import compare_digest
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..config.units import Address, is_host_name
from ..errors import ForbiddenError, TooLargeError, UnauthorizedError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY = 64 * 1024
"""Bytes of a request's body. The largest call that makes sense, a backend with its longest id, has under 1 KiB."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEME = "bearer "
_NO_TOKEN = "changes are refused: the admin address is not loopback and no admin.token is configured"
_WEB = frozenset({"http", "https"})


class Gate:
    """Lets a change through, or raises `UnauthorizedError` with the reason."""

    def __init__(self, listen: Address, token: str) -> None:
        """`token` is empty if none is configured; on a loopback address that leaves the gate open."""
        self._token = token.encode()
        self._open = not token and is_loopback(listen.host)

    def check(self, authorization: str) -> None:
        """Judge the `Authorization` field of a change (RFC 6750 §2.1)."""
        if self._open:
            return
        if not self._token:
            raise UnauthorizedError(_NO_TOKEN)
        scheme, given = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :].strip()
        if scheme.lower() != _SCHEME:
            raise UnauthorizedError("changes need the header Authorization: Bearer <admin.token>")
        if not compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
            raise UnauthorizedError("the bearer token is not the configured admin.token")


def guarded(gate: Gate, hosts: Callable[[], Collection[str]]) -> Middleware:
    """The middleware around every route: new ones are guarded without being told so.

    `hosts` are the names (lower case) that the configuration allows in addition, asked for at each request.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request.headers.getall("Host", []), hosts())
        check_origin(request.headers.getall("Origin", []), request.headers.get("Host", ""))
        if request.method not in _READING:
            gate.check(request.headers.get("Authorization", ""))
        if (request.content_length or 0) > MAX_BODY:
            raise TooLargeError(f"body: {request.content_length} bytes; at most {MAX_BODY} are read")
        return await handler(request)

    return guard


def check_host(given: Sequence[str], allowed: Collection[str]) -> None:
    """Raise `ForbiddenError` unless the request names this service by an address or a name that is its own.

    A page of `evil.example` whose name is made to resolve to this address (DNS rebinding) is of the same origin for the
    browser; only `Host` tells. It always names the page's own site, so what no site on the internet can be called is
    safe: an IP address, `localhost`, and a name without a dot, such as the `lb` of compose.
    """
    if len(given) != 1:
        raise ForbiddenError(f"expected one Host header, found {len(given)}")
    name = _name_of(given[0])
    if not (_is_address(name) or ("." not in name and is_host_name(name)) or name in allowed):
        raise ForbiddenError(f"Host {given[0][:80]!r} is no name of this service; admin.hosts can allow more")


def check_origin(given: Sequence[str], host: str) -> None:
    """Raise `ForbiddenError` for a request that a page of another site has made."""
    for origin in given:
        scheme, _, site = origin.partition("://")
        if scheme not in _WEB or site.lower() != host.lower():
            raise ForbiddenError(f"requests from Origin {origin[:80]!r} are not served")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. A name other than `localhost` could be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name_of(host: str) -> str:
    """The name or address in `name:port`, in lower case; empty if there is none."""
    if any(sign in host for sign in "/?#@\\ \t"):
        return ""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for what is no port number
        return parts.hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
