"""Writes the heads of messages: the client's request for a backend, and the backend's response for the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Exchange
from ..core.headers import Peer, request_head, response_head, server_timing
from ..core.headers import request_id as usable_request_id
from .request_framing import Body, RequestFraming

if TYPE_CHECKING:
    from .data_plane import DataPlane
    from .request import Request
    from .response_framing import ResponseHead


def choose_request_id(plane: DataPlane, request: Request) -> bytes:
    """Return the client's request id if it sent a valid one, else a new one."""
    offered = request.framing.special.get(b"x-request-id")
    return usable_request_id(offered, b"") or plane.new_request_id()


def to_backend(plane: DataPlane, peer: Peer, request: Request, request_id: bytes, attempt: Attempt) -> bytes:
    """Return the request's head for `attempt`."""
    framing = request.framing
    backend = attempt.backend
    host = framing.host or b"%s:%d" % (backend.host.encode(), backend.port)  # HTTP/1.0 requests may have no Host
    return request_head(
        b"%s %s HTTP/1.1\r\n" % (request.method.encode(), framing.target),
        host,
        request.fields,
        framing.removed,
        peer.provenance(request.fields, host),
        b"%s%sX-Request-Id: %s\r\n%s"
        % (_framing(framing), _connection(framing), request_id, _deadline(plane, request, attempt)),
    )


def to_client(request: Request, answer: ResponseHead, body: Body, added: bytes, *, close: bool) -> bytes:
    """Return the response's head. `body` is its framing for the client, which may differ from the backend's."""
    framing = b"Transfer-Encoding: chunked\r\n" if body is Body.CHUNKED else b""
    return response_head(
        answer.status, answer.fields, answer.framing.removed, framing + _persistence(request, close=close) + added
    )


def switching(answer: ResponseHead, protocol: bytes, added: bytes) -> bytes:
    """Return the head of a 101, the only response whose `Upgrade` is passed on (RFC 9110 §7.8)."""
    upgrade = b"Connection: upgrade\r\nUpgrade: %s\r\n" % protocol
    return response_head(answer.status, answer.fields, answer.framing.removed, upgrade + added)


def added_lines(
    plane: DataPlane, exchange: Exchange, attempt: Attempt, request_id: bytes, now: float, backend_s: float
) -> bytes:
    """Return the header lines with the request id, the backend, the backends that were tried, and the timing."""
    tried = exchange.tried
    names = plane.single_attempt_lines(attempt.backend) if len(tried) <= 1 else _named(attempt, exchange)
    timing = server_timing(now - exchange.started, backend_s, len(tried))
    return b"X-Request-Id: %s\r\n%s%s" % (request_id, names, timing)


def tried_line(exchange: Exchange) -> bytes:
    """Return the `X-Tried` line, or empty bytes if no backend was tried."""
    names = ",".join(backend.id for backend in exchange.tried)
    return b"X-Tried: %s\r\n" % names.encode("ascii", "replace") if names else b""


def _named(attempt: Attempt, exchange: Exchange) -> bytes:
    return b"X-Backend: %s\r\n%s" % (attempt.backend.id.encode("ascii", "replace"), tried_line(exchange))


def _framing(framing: RequestFraming) -> bytes:
    if framing.body is Body.LENGTH:
        return b"Content-Length: %d\r\n" % framing.length
    return b"Transfer-Encoding: chunked\r\n" if framing.body is Body.CHUNKED else b""


def _connection(framing: RequestFraming) -> bytes:
    """Return the lines for this hop (Connection, TE, Upgrade). Keep-alive is the default of HTTP/1.1."""
    if framing.upgrade:
        return b"Connection: upgrade\r\nUpgrade: %s\r\n" % framing.upgrade
    return b"Connection: TE\r\nTE: trailers\r\n" if framing.trailers_welcome else b""


def _deadline(plane: DataPlane, request: Request, attempt: Attempt) -> bytes:
    """Return the `X-Deadline` line, or empty bytes while the body is being received, before the time-out starts."""
    if not request.complete:
        return b""
    return plane.deadline_line(plane.balancer.gives_up_at(attempt, plane.clock()))


def _persistence(request: Request, *, close: bool) -> bytes:
    if close:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if request.version == "1.0" else b""
