"""What of a request decides where its client belongs: the key that hash policies pick by, and the sticky cookie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.affinity import StickyCookie
from ..core.headers import Network, Peer, client_of

if TYPE_CHECKING:
    from .request import Request

KeyOf = Callable[["Request", Peer], bytes]
"""The hash key of a request; empty when it brings none, and then any backend will do."""


def no_key(request: Request, peer: Peer) -> bytes:
    """Nothing to hash by."""
    return b""


def key_source(by: str, trusted: Sequence[Network] = ()) -> KeyOf:
    """What the configuration's `hash.by` means: `client`, `path`, `header:NAME` or `cookie:NAME`."""
    kind, _, name = by.partition(":")
    wanted = name.encode()
    match kind:
        case "header":
            return lambda request, peer: header(request, wanted.lower())
        case "cookie":
            return lambda request, peer: cookie(request, wanted)
        case "path":
            return lambda request, peer: request.shape.target.partition(b"?")[0]
        case _:
            return lambda request, peer: client_of(peer, request.fields, trusted)


def header(request: Request, name: bytes) -> bytes:
    """The value of the first field of that name (in lower case)."""
    return next((value for _, lower, value in request.fields if lower == name), b"")


def cookies(request: Request) -> bytes:
    """All `Cookie` lines as one; RFC 9113 §8.2.3 lets a gateway in front of us split them."""
    return b"; ".join([value for _, lower, value in request.fields if lower == b"cookie"])


def cookie(request: Request, wanted: bytes) -> bytes:
    """The value of the first cookie of that name."""
    for pair in cookies(request).split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == wanted:
            return value
    return b""


class Stickiness:
    """Reads the sticky cookie of requests and writes the `Set-Cookie` of answers."""

    def __init__(self, cookie: StickyCookie, *, ttl: float = 0.0, secure: bool = False) -> None:
        """`ttl` is seconds; 0 lets the browser forget the cookie when it closes."""
        self._cookie = cookie
        lifetime = f"; Max-Age={ttl:.0f}" if ttl else ""
        # No script needs to read it, and from another site only a link should bring it (RFC 6265bis §5.6.7).
        self._attributes = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{lifetime}\r\n"

    def pinned_to(self, request: Request) -> str:
        """The id of the backend that the request's cookie names; empty without one that we signed."""
        sent = cookies(request)
        return self._cookie.find(sent.decode("latin-1")) if sent else ""

    def line(self, backend_id: str) -> bytes:
        """The `Set-Cookie` line that pins to the backend; nothing where the id is empty."""
        if not backend_id:
            return b""
        return f"Set-Cookie: {self._cookie.name}={self._cookie.issue(backend_id)}{self._attributes}".encode("latin-1")
