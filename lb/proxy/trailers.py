"""Filters trailer fields in both directions: only fields whose definition allows it are forwarded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.headers import Field
from .limits import Limits
from .request_framing import MalformedError, head_size

ALLOWED: Final = frozenset(
    {b"content-digest", b"repr-digest", b"digest", b"content-md5"}  # RFC 9530, and the fields that they replace
    | {b"etag", b"last-modified"}  # RFC 9110 §8.8.2, §8.8.3
    | {b"signature", b"signature-input"}  # RFC 9421 §4
    | {b"server-timing"}  # W3C Server Timing §3
    | {b"grpc-status", b"grpc-message", b"grpc-status-details-bin"}  # gRPC-Web and gRPC over HTTP/1.1 gateways
)
"""A field may be a trailer only if its definition permits that (RFC 9110 §6.5.1). Some recipients merge trailers into
the header, so that fields for routing, authorization or the client's address would bypass the checks."""

FORBIDDEN: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"host", b"connection", b"keep-alive", b"upgrade", b"te", b"trailer"}
    | {b"expect", b"authorization", b"cookie", b"forwarded", b"x-forwarded-for", b"x-deadline", b"x-request-id"}
)
"""Fields that indicate an attack. A request with one is refused. After a response with one, its connection is
closed."""


def allowed_trailers(trailers: Sequence[Field], limits: Limits) -> list[Field]:
    """Return the trailer fields to forward: those in `ALLOWED` and those that the configuration adds.

    Raise `MalformedError` for too many or too large ones, and for `FORBIDDEN` ones.
    """
    if len(trailers) > limits.fields:
        raise MalformedError(431, "fields")
    if head_size(trailers) > limits.head:
        raise MalformedError(431, "trailers")
    if any(lower in FORBIDDEN for _, lower, _ in trailers):
        raise MalformedError(400, "trailers")
    return [field for field in trailers if field[1] in ALLOWED or field[1] in limits.trailers]
