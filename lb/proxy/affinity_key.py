"""Affinity of clients to backends: the key for hash policies, and the sticky cookie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.affinity import StickyCookie
from ..core.headers import Network, Peer, client_of

if TYPE_CHECKING:
    from .request import Request

KeyOf = Callable[["Request", Peer], bytes]
"""Function that returns the hash key of a request. If it is empty, any backend may be picked."""


def no_key(request: Request, peer: Peer) -> bytes:
    """Return no key (a `KeyOf`)."""
    return b""


def key_source(by: str, trusted: Sequence[Network] = ()) -> KeyOf:
    """Return the function for the setting `hash.by`: `client`, `path`, `header:NAME` or `cookie:NAME`."""
    kind, _, name = by.partition(":")
    wanted = name.encode()
    match kind:
        case "header":
            return lambda request, peer: header(request, wanted.lower())
        case "cookie":
            return lambda request, peer: cookie(request, wanted)
        case "path":
            return lambda request, peer: request.framing.target.partition(b"?")[0]
        case _:
            return lambda request, peer: client_of(peer, request.fields, trusted)


def header(request: Request, name: bytes) -> bytes:
    """Return the value of the first field with this name (in lower case), or empty bytes."""
    return next((value for _, lower, value in request.fields if lower == name), b"")


def cookies(request: Request) -> bytes:
    """Return all `Cookie` lines as one, because a gateway may have split them (RFC 9113 §8.2.3)."""
    return b"; ".join([value for _, lower, value in request.fields if lower == b"cookie"])


def cookie(request: Request, wanted: bytes) -> bytes:
    """Return the value of the first cookie with this name, or empty bytes."""
    for pair in cookies(request).split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == wanted:
            return value
    return b""


class Stickiness:
    """Reads the sticky cookie of requests, and makes the `Set-Cookie` line of responses."""

    def __init__(self, cookie: StickyCookie, *, ttl: float = 0.0, secure: bool = False) -> None:
        """`ttl` is the cookie's lifetime in seconds; 0: until the browser is closed."""
        self._cookie = cookie
        lifetime = f"; Max-Age={ttl:.0f}" if ttl else ""
        # Scripts cannot read it, and requests from other sites carry it only if they follow a link (RFC 6265bis
        # §5.6.7).
        self._attributes = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{lifetime}\r\n"

    def pinned_to(self, request: Request) -> str:
        """Return the id of the backend in the request's cookie, or an empty string without a valid cookie."""
        sent = cookies(request)
        return self._cookie.find(sent.decode("latin-1")) if sent else ""

    def line(self, backend_id: str) -> bytes:
        """Return the `Set-Cookie` line that pins the client to the backend, or empty bytes if the id is empty."""
        if not backend_id:
            return b""
        return f"Set-Cookie: {self._cookie.name}={self._cookie.issue(backend_id)}{self._attributes}".encode("latin-1")
