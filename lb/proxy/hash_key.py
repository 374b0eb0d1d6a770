"""The key of a request by which hash policies pick a backend, and the request fields that it is read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

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
