"""Limits of the data plane on sizes (bytes), times (seconds) and numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the data plane, with the reasons for the defaults."""

    head: int = 32 * 1024
    """A request or response head; 431 beyond. Cookies of large sites stay under 16 KiB."""
    fields: int = 100
    """Header fields in one head, and trailer fields after one body; 431 beyond."""
    target: int = 8 * 1024
    """The request target; 414 beyond. RFC 9112 §3 asks for at least 8000."""
    body: int = 1024 * 1024 * 1024
    """A request body; 413 beyond. Bodies stream, so this protects backends, not our memory."""
    buffered: int = 64 * 1024
    """What one request may buffer in memory for each side before its sender is paused. Also the largest request body
    that is kept for a second attempt, and the largest response body that is waited for (`gather_answer`)."""
    trailers: frozenset[bytes] = frozenset()
    """Trailer fields that are passed on in addition to `lb.proxy.trailers.ALLOWED`; lower case."""
    gather: float = 0.02
    """How long the head of a request waits for its small body, so that both are written at once and can be repeated."""
    gather_answer: float = 0.5
    """How long the head of a small response (Content-Length up to `buffered`) waits for its body. If the backend dies
    or freezes between head and body, another backend can be tried as long as the client has got no byte, if the method
    is safe. The default leaves time for a hedge, which starts after 250 ms at the latest (`stall_ceiling`)."""
    slow_head: float = 10.0
    """From the first byte of a head to its end; then 408. Without this limit a Slowloris attack succeeds."""
    slow_body: float = 20.0
    """Time without a byte of a request body; then 408. With `slow_body_rate`, this is the initial and the longest
    remaining time, which runs down and which each byte extends."""
    slow_body_rate: int = 500
    """Minimum average rate of a request body, bytes per second; 0: none. As Apache's `MinRate`: a modem of 1990 has ten
    times as much. Without it, an attacker can hold a slot of a backend for any time with one byte every 19 s."""
    slow_reader: float = 120.0
    """A client that reads no byte of its response for this long is disconnected. The time is long because a client that
    reads 1 KiB/s frees its socket buffer only about once a minute."""
    slow_reader_rate: int = 100
    """Minimum average rate, over `slow_reader`, at which a client that does not keep up must read, bytes per second; 0:
    none. It is low enough to disconnect only clients that read single bytes."""
    client_idle: float = 75.0
    """Idle time-out of a kept-alive client connection."""
    upstream_idle: float = 30.0
    """Idle time-out of a pooled backend connection. It is shorter than the 75 s of the backends, so that we close first
    and do not send a request on a connection that its backend is closing."""
    upstream_stall: float = 60.0
    """Time-out for a backend that stops in the middle of a response, or stops reading a request body."""
    upstream_stall_rate: int = 100
    """Minimum average rate, over `upstream_stall`, of a response with a known length, and of a request body that a
    backend does not keep up with, bytes per second; 0: none. Not of other responses: an event stream may send
    little."""
    answer_total: float = 86400.0
    """A response of unknown length, such as an event stream, is truncated after this time; 0: never. A day, since
    clients of such streams reconnect by themselves, and no page or download takes longer."""
    tunnel_idle: float = 3600.0
    """Idle time-out of an upgraded connection."""
    tunnel_total: float = 0.0
    """An upgraded connection, or one of TCP mode, is closed after this time even if it is busy; 0: never. The default
    is 0 because pools of database connections keep theirs for days."""
    linger: float = 2.0
    """After a response to a request that is not completely received: how long we wait for the client to read it and to
    close, before we close. Each further segment of the client starts this time anew."""
    linger_total: float = 30.0
    """The longest total of that time, as nginx's `lingering_time`."""
    connections: int = 20_000
    """Client connections in total, including tunnels; 503 beyond."""
    connections_per_client: int = 0
    """Client connections from one address; 503 beyond; 0: only the total is limited. The default is 0 because all users
    of an office share an address, and so do all users behind a proxy that sends no PROXY header."""
    requests_per_connection: int = 0
    """A client connection closes after this number of requests, so that clients reconnect to balancers that were added
    meanwhile; 0: no limit."""
    refuse_lookalikes: bool = False
    """Answer 400 to a request with `X_Forwarded_For`, `Content_Length` and the like (`lb.core.headers.LOOKALIKES`).
    Otherwise these fields are removed, as nginx does."""
    idle_per_backend: int = 256
    """Idle connections to one backend; further ones are closed after their request."""
    idle_private: int = 1024
    """Idle connections to all backends together that belong to one client each (after an NTLM or Negotiate login). Any
    client can cause one: beyond this number the longest idle one is closed, and its client has to log in again."""
