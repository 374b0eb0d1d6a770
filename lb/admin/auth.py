"""Access control of the admin API: no web page of another site may use it, and changes need the token.

Any client that uses one of the port's own names may read. On loopback, changes need a token only if one is configured.
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
"""Maximum of a request's body in bytes. The largest useful body, a backend with a long id, has less than 1 KiB."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEME = "bearer "
_NO_TOKEN = "changes are refused: the admin address is not loopback and no admin.token is configured"
_WEB = frozenset({"http", "https"})


class Gate:
    """Checks the token of changes."""

    def __init__(self, listen: Address, token: str) -> None:
        """`token` is empty if none is configured. Then changes are allowed only on a loopback address."""
        self._token = token.encode()
        self._open = not token and is_loopback(listen.host)

    def check(self, authorization: str) -> None:
        """Raise UnauthorizedError unless the `Authorization` field of a change has the token (RFC 6750 §2.1)."""
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
    """Return the middleware that checks the requests of all routes, including future ones.

    `hosts` is called at each request and returns the additional names (lower case) that the configuration allows.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request.headers.getall("Host", []), hosts())
        check_origin(request.headers.getall("Origin", []), request.headers.get("Host", ""))
        if request.method not in _READING:
            gate.check(request.headers.get("Authorization", ""))
        if (request.content_length or 0) > MAX_BODY:
            raise TooLargeError(f"body: {request.content_length} bytes; at most {MAX_BODY} are allowed")
        return await handler(request)

    return guard


def check_host(given: Sequence[str], allowed: Collection[str]) -> None:
    """Raise ForbiddenError unless the Host field has an address or a name of this service.

    If the name `evil.example` is made to resolve to this address (DNS rebinding), a browser lets pages of that site
    call this API as their own. Only `Host` then shows the site's name. So only names are accepted that no site on the
    internet can have: IP addresses, `localhost`, and names without a dot, such as `lb` in compose.
    """
    if len(given) != 1:
        raise ForbiddenError(f"expected one Host header, found {len(given)}")
    name = _name_of(given[0])
    if not (_is_address(name) or ("." not in name and is_host_name(name)) or name in allowed):
        raise ForbiddenError(f"Host {given[0][:80]!r} is not a name of this service; admin.hosts can allow more")


def check_origin(given: Sequence[str], host: str) -> None:
    """Raise ForbiddenError if a page of another site has made the request."""
    for origin in given:
        scheme, _, site = origin.partition("://")
        if scheme not in _WEB or site.lower() != host.lower():
            raise ForbiddenError(f"requests from Origin {origin[:80]!r} are not served")


def is_loopback(host: str) -> bool:
    """Return whether only this host can reach the address. Of all names, only `localhost` counts as loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name_of(host: str) -> str:
    """Return the name or address in `name:port`, in lower case, or an empty string if it is invalid."""
    if any(sign in host for sign in "/?#@\\ \t"):
        return ""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError for an invalid port
        return parts.hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
