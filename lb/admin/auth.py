"""Who may change the balancer: anybody on this machine, or whoever brings the token. Reading is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

from lb.errors import UnauthorizedError
from lb.units import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEME = "bearer "
_NO_TOKEN = "changes are refused: the admin address is not loopback and no admin.token is configured"


class Gate:
    """Lets a change through, or raises `UnauthorizedError` with the reason."""

    def __init__(self, listen: Address, token: str) -> None:
        """`token` is empty where none is configured; on a loopback address that leaves the gate open."""
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


def guarded(gate: Gate) -> Middleware:
    """The middleware around every route: new ones that change something are guarded without being told so."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in _READING:
            gate.check(request.headers.get("Authorization", ""))
        return await handler(request)

    return guard


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. A name other than `localhost` could be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
