"""Limits of the data plane on sizes (bytes), times (seconds) and numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the data plane, with the reasons for the defaults."""

    head: int = 32 * 1024
    """Longest request or response head; above it: 431. Cookies of large sites stay under 16 KiB."""
    fields: int = 100
    """Maximum number of header fields in a head, and of trailer fields after a body; above it: 431."""
    target: int = 8 * 1024
    """Longest request target; above it: 414. RFC 9112 §3 recommends at least 8000."""
    body: int = 1024 * 1024 * 1024
    """Longest request body; above it: 413. Bodies are streamed, so this protects backends, not memory."""
    buffered: int = 64 * 1024
    """Bytes that a request may buffer in memory for each side before its sender is paused. This is also the largest
    request body that is kept for a second attempt, and the largest response body that is waited for
    (`gather_answer`)."""
    trailers: frozenset[bytes] = frozenset()
    """Trailer fields, in lower case, that are forwarded in addition to `lb.proxy.trailers.ALLOWED`."""
    gather: float = 0.02
    """How long the head of a request waits for its small body, so that both are written at once and can be repeated."""
    gather_answer: float = 0.5
    """How long the head of a small response (Content-Length up to `buffered`) waits for its body. If the backend dies
    or freezes between head and body, another backend can be tried as long as the client has got no byte, if the method
    is safe. The default leaves time for a hedge, which starts after 250 ms at the latest (`stall_ceiling`)."""
    slow_head: float = 10.0
    """Time from the first byte of a head to its end; above it: 408. Without this limit a Slowloris attack succeeds."""
    slow_body: float = 20.0
    """Time without a byte of a request body; above it: 408. With `slow_body_rate`, this is the initial and the longest
    remaining time. The remaining time runs down, and each byte extends it."""
    slow_body_rate: int = 500
    """Minimum average rate of a request body, bytes per second; 0: none. The default is that of Apache's `MinRate`; a
    modem of 1990 is faster. Without a minimum, a client could occupy a slot of a backend for any time with one byte
    every 19 s."""
    slow_reader: float = 120.0
    """Time after which a client that reads nothing of its response is disconnected. It is long because a client that
    reads 1 KiB/s frees its socket buffer only about once a minute."""
    slow_reader_rate: int = 100
    """Minimum average rate, over `slow_reader`, at which a client that does not keep up must read, in bytes per second;
    0: none. The default is so low that it disconnects only clients that read single bytes."""
    client_idle: float = 75.0
    """Idle time-out of a kept-alive client connection."""
    upstream_idle: float = 30.0
    """Idle time-out of a pooled backend connection. It is shorter than the 75 s of the backends, so that the balancer
    closes first and sends no request on a connection that its backend is closing."""
    upstream_stall: float = 60.0
    """Time-out for a backend that stops in the middle of a response, or stops reading a request body."""
    upstream_stall_rate: int = 100
    """Minimum average rate, over `upstream_stall`, of a response with a known length, and of a request body that a
    backend does not keep up with, bytes per second; 0: none. It does not apply to other responses, because an event
    stream may send little."""
    answer_total: float = 86400.0
    """A response of unknown length, such as an event stream, is truncated after this time; 0: never. The default is a
    day, because clients of event streams reconnect by themselves, and no page or download takes longer."""
    tunnel_idle: float = 3600.0
    """Idle time-out of an upgraded connection."""
    tunnel_total: float = 0.0
    """An upgraded connection, or one of TCP mode, is closed after this time even if it is busy; 0: never. The default
    is 0 because database connection pools keep connections for days."""
    linger: float = 2.0
    """After the response to a request that is not completely received: time for the client to read it and to close,
    before the balancer closes. Each further segment of the client restarts this time."""
    linger_total: float = 30.0
    """Maximum of that time in total, like nginx's `lingering_time`."""
    connections: int = 20_000
    """Maximum number of client connections, including tunnels; above it: 503."""
    connections_per_client: int = 0
    """Maximum number of client connections from one address; above it: 503. 0: only the total is limited. The default
    is 0 because all users of an office share an address, and so do all users behind a proxy that sends no PROXY
    header."""
    requests_per_connection: int = 0
    """Number of requests after which a client connection is closed, so that clients also connect to balancers that were
    added meanwhile; 0: no limit."""
    refuse_lookalikes: bool = False
    """Whether to answer 400 to a request with `X_Forwarded_For`, `Content_Length` etc. (`lb.core.headers.LOOKALIKES`).
    Otherwise these fields are removed, as nginx does."""
    idle_per_backend: int = 256
    """Maximum number of idle connections to one backend. Further ones are closed after their request."""
    idle_private: int = 1024
    """Maximum number of idle private connections to all backends together: each belongs to one client after an NTLM or
    Negotiate login. Any client can cause one. Above this number the longest idle one is closed, and its client has to
    log in again."""
