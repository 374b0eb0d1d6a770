"""How much and how long the data plane bears. Sizes are bytes, times are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the data plane, each with the reason for its default."""

    head: int = 32 * 1024
    """A request or response head; 431 beyond. Cookies of large sites stay under 16 KiB."""
    fields: int = 100
    """Header fields in one head, and trailer fields after one body; 431 beyond."""
    target: int = 8 * 1024
    """The request target; 414 beyond. RFC 9112 §3 asks for at least 8000."""
    body: int = 1024 * 1024 * 1024
    """A request body; 413 beyond. Bodies stream, so this protects backends, not our memory."""
    buffered: int = 64 * 1024
    """What one request may hold in memory on each side before its sender is paused; also the largest body that is kept
    for a second attempt."""
    trailers: frozenset[bytes] = frozenset()
    """Trailer fields that pass beside those whose definition allows it (`lb.proxy.trailers.ALLOWED`); lower case."""
    gather: float = 0.02
    """How long a request waits for its small body, so that both go out in one write and can be repeated."""
    gather_answer: float = 0.5
    """How long the head of a small answer (a Content-Length up to `buffered`) waits for the rest. Until the client has
    seen a byte of it, another backend can still be asked, if this one dies or freezes between head and body and the
    method is safe. Longer than the latest moment at which a stall is hedged (`stall_ceiling`, 250 ms) and an answer
    from elsewhere."""
    slow_head: float = 10.0
    """From the first byte of a head to its end; then 408. Slowloris lives on the absence of this."""
    slow_body: float = 20.0
    """Without one more byte of a request body; then 408. With `slow_body_rate` this is what a client begins with and
    may have at most; each byte earns it a part of it back."""
    slow_body_rate: int = 500
    """Bytes per second of a request body, on average; 0: any byte will do. Apache's `MinRate`: a modem of 1990 has ten
    times as much. Without it, one byte every 19 s holds a backend's slot for as long as the attacker likes."""
    slow_reader: float = 120.0
    """A client that takes no byte of its answer for this long is cut off. Read at 1 KiB/s, a socket buffer moves in
    steps of about a minute, hence the length."""
    slow_reader_rate: int = 100
    """Bytes per second that a client which does not keep up must take, on average over `slow_reader`; 0: any byte will
    do. Far below what one step of a socket buffer brings, so that only those who take a byte at a time are cut off."""
    client_idle: float = 75.0
    """A kept-alive client connection without a request."""
    upstream_idle: float = 30.0
    """A pooled backend connection; shorter than the backends' own 75 s, so that we close first and never race them."""
    upstream_stall: float = 60.0
    """A backend that stops in the middle of an answer, or stops reading a request body."""
    upstream_stall_rate: int = 100
    """Bytes per second of an answer whose length is known, and of a request body that a backend does not keep up with,
    on average over `upstream_stall`; 0: any byte will do. Not of other answers: an event stream may say little."""
    answer_total: float = 86400.0
    """An answer of unknown length, such as an event stream, is cut after this long; 0: never. A day, since readers of
    such streams connect again by themselves, and no page or download takes longer."""
    tunnel_idle: float = 3600.0
    """An upgraded connection without a byte in either direction."""
    tunnel_total: float = 0.0
    """An upgraded connection, or one of TCP mode, is ended after this long, however busy it is; 0: never, since whether
    bytes lead anywhere is for its two ends to say, and pools of database connections live for days."""
    linger: float = 2.0
    """After the answer to a request whose rest is still coming: the client's time to read it before the reset, counted
    anew with each segment that the client still sends."""
    linger_total: float = 30.0
    """The whole of that time, however much the client still sends; as nginx's `lingering_time`."""
    connections: int = 20_000
    """Client connections in total, tunnels included; 503 beyond."""
    connections_per_client: int = 0
    """Client connections from one address; 503 beyond; 0: no limit but the total, since whole offices, and everybody
    behind a proxy that does not say whose connection it is, share an address."""
    requests_per_connection: int = 0
    """After so many requests a client connection closes with its answer, so that long-lived ones spread anew over
    what has been added meanwhile; 0: no limit."""
    refuse_lookalikes: bool = False
    """Answer 400 to a request with `X_Forwarded_For`, `Content_Length` and the like (`lb.core.headers.LOOKALIKES`),
    which are dropped otherwise, as with nginx."""
    idle_per_backend: int = 256
    """Pooled connections kept for one backend; more are closed when they fall idle."""
    idle_private: int = 1024
    """Idle connections to all backends together that speak for one client each (after an NTLM or Negotiate login).
    Anybody can ask for one: beyond this the one idle longest is closed, and its client has to log in again."""
