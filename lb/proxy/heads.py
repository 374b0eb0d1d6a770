"""The heads that go out: the client's request to a backend, and the backend's answer to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Exchange
from ..core.headers import Peer, request_head, request_id, response_head, server_timing
from .request_framing import Body, RequestShape

if TYPE_CHECKING:
    from .data_plane import Plane
    from .request import Request
    from .response_framing import Answer


def choose_request_id(plane: Plane, request: Request) -> bytes:
    """The client's own, where it sent a usable one."""
    offered = request.shape.special.get(b"x-request-id")
    return request_id(offered, b"") or plane.new_request_id()


def to_backend(plane: Plane, peer: Peer, request: Request, own_id: bytes, attempt: Attempt) -> bytes:
    """The request's head for `attempt`."""
    shape = request.shape
    backend = attempt.backend
    host = shape.host or b"%s:%d" % (backend.host.encode(), backend.port)  # HTTP/1.0 may come without
    return request_head(
        b"%s %s HTTP/1.1\r\n" % (request.method.encode(), shape.target),
        host,
        request.fields,
        shape.removed,
        peer.provenance(request.fields, host),
        b"%s%sX-Request-Id: %s\r\n%s"
        % (_framing(shape), _connection(shape), own_id, _deadline(plane, request, attempt)),
    )


def to_client(request: Request, answer: Answer, body: Body, own: bytes, *, close: bool) -> bytes:
    """The answer's head. `body` is how this client is told where it ends, perhaps not as the backend told us."""
    framing = b"Transfer-Encoding: chunked\r\n" if body is Body.CHUNKED else b""
    return response_head(
        answer.status, answer.fields, answer.shape.removed, framing + _persistence(request, close=close) + own
    )


def switching(answer: Answer, protocol: bytes, own: bytes) -> bytes:
    """The head of a 101: the one answer that carries `Upgrade` across (RFC 9110 §7.8)."""
    upgrade = b"Connection: upgrade\r\nUpgrade: %s\r\n" % protocol
    return response_head(answer.status, answer.fields, answer.shape.removed, upgrade + own)


def own_lines(plane: Plane, exchange: Exchange, attempt: Attempt, own_id: bytes, now: float, backend_s: float) -> bytes:
    """Request id, who answered, who was tried, and where the time went."""
    tried = exchange.tried
    names = plane.only_tried(attempt.backend) if len(tried) <= 1 else _named(attempt, exchange)
    timing = server_timing(now - exchange.started, backend_s, len(tried))
    return b"X-Request-Id: %s\r\n%s%s" % (own_id, names, timing)


def tried_line(exchange: Exchange) -> bytes:
    """`X-Tried`; empty when no backend was."""
    names = ",".join(backend.id for backend in exchange.tried)
    return b"X-Tried: %s\r\n" % names.encode("ascii", "replace") if names else b""


def _named(attempt: Attempt, exchange: Exchange) -> bytes:
    return b"X-Backend: %s\r\n%s" % (attempt.backend.id.encode("ascii", "replace"), tried_line(exchange))


def _framing(shape: RequestShape) -> bytes:
    if shape.body is Body.LENGTH:
        return b"Content-Length: %d\r\n" % shape.length
    return b"Transfer-Encoding: chunked\r\n" if shape.body is Body.CHUNKED else b""


def _connection(shape: RequestShape) -> bytes:
    """Keep-alive is HTTP/1.1's default and needs no word; what we support on this hop does."""
    if shape.upgrade:
        return b"Connection: upgrade\r\nUpgrade: %s\r\n" % shape.upgrade
    return b"Connection: TE\r\nTE: trailers\r\n" if shape.trailers_welcome else b""


def _deadline(plane: Plane, request: Request, attempt: Attempt) -> bytes:
    """Unix time. Left out while the body is still coming: nobody knows yet when the clock will start."""
    if not request.complete:
        return b""
    return plane.deadline_line(plane.balancer.gives_up_at(attempt, plane.clock()))


def _persistence(request: Request, *, close: bool) -> bytes:
    if close:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if request.version == "1.0" else b""
