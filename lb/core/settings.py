"""What the core can be told, with the arithmetic behind each default. All times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Active checks. A schedule is end-to-start: the next probe starts `interval` after the last one ended."""

    kind: str = "http"
    """`http` asks the backend. `tcp` only connects: a hung or paused backend passes that. `tls` also makes a
    handshake, which a paused one does not pass."""
    path: str = "/health"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every probe; `Host` among them replaces the backend's address."""
    expect_status: tuple[int, int] = (200, 200)
    """From and to, both included."""
    expect_body: str = ""
    """What the first 64 KiB of the answer must contain; empty: whatever it says will do."""
    interval: float = 0.5
    fast_interval: float = 0.1
    """Between probes while the verdict is in doubt (UP and failing, DOWN and passing)."""
    timeout: float = 0.4
    fall: int = 2
    """Consecutive failures that take an UP backend DOWN."""
    rise: int = 2
    """Consecutive passes that bring a DOWN backend UP. An UNKNOWN one needs a single pass."""
    jitter: float = 0.1
    """Each wait is stretched by a uniform factor in [1, 1 + jitter], so that probes do not march in step."""
    flap_limit: float = 4.0
    """Falls in short order that cost nothing; each one more doubles the hold-down before readmission. Four, so that
    neither a deployment (one restart) nor a few faults injected one after another are ever delayed."""
    flap_forget: float = 10.0
    """This long UP forgets one fall."""
    hold_down: float = 1.0
    """The first hold-down: how long a flapping backend stays DOWN although its probes pass."""
    max_hold_down: float = 30.0
    start_phase: float = 0.0
    """For this long after it became known, failing probes do not take an UNKNOWN backend DOWN: it is still booting. It
    is probed at the fast interval meanwhile, and a single pass brings it UP, where from DOWN it would take `rise`."""
    assume_up: bool = False
    """A new backend is UP before its first probe: for a fleet that is known to serve when the balancer restarts."""


@dataclass(frozen=True, slots=True)
class PassiveSettings:
    """What live traffic says about a backend between two probes."""

    consecutive_failures: int = 5
    """Failures in a row (connect, reset, time-out, any 5xx) that eject at once, whatever the probes say – unless the
    other backends fail most of their requests too: then the fault is elsewhere and nobody is ejected for it."""
    failure_window: int = 20
    """How many of a backend's latest outcomes its failure share is taken from; half of them must be there to judge."""
    failure_max_age: float = 10.0
    """Outcomes older than this say nothing any more."""
    failure_share: float = 0.4
    """Ejected when its share of failures exceeds the others' by this. Ten outcomes at a true share of 10 % hold five
    failures once in 600 windows, at 1 % practically never; a share of 50 % is caught within 10 to 20 requests."""
    latency_factor: float = 0.0
    """Ejected when its mean latency exceeds this multiple of the others' median (and `stall_ceiling`). Off (0) by
    default: a slow backend still answers, and avoiding it is the policy's business (`peak_ewma`, `p2c`)."""
    base_ejection: float = 3.0
    """An ejection lasts `base_ejection × times ejected so far`, at most `max_ejection`."""
    max_ejection: float = 60.0
    forgive_after: float = 60.0
    """This long without an ejection forgets one."""
    max_ejected_share: float = 0.5
    """No ejection may leave more than this share of the backends EJECTED, counted after the ejection."""
    stall_floor: float = 0.05
    """No request counts as stalled before its backend's mean latency + this: scheduling noise stays below it."""
    stall_ceiling: float = 0.25
    """Every wait longer than this is worth a probe (and a hedge), however slow the backend has been."""
    stall_deviations: float = 6.0
    """Stalled = no first byte after mean + this many mean deviations (RFC 6298 uses 4 for its time-out)."""
    max_tick_gap: float = 0.05
    """Ticks further apart than this mean that the balancer itself was held up: answers may sit unread in its
    sockets, so no backend is blamed for the gap. Five ticks, so that ordinary lateness does not blind it."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a failed attempt may be repeated on another backend."""

    max_attempts: int = 3
    """That reach a backend, the first and hedges counted; a refused connection is none (docs/decisions/0008)."""
    budget_ratio: float = 0.2
    """Retries and hedges together: at most this share of the requests …"""
    budget_min_per_s: float = 3.0
    """… but always at least this many a second, so that a quiet balancer can retry at all."""
    budget_window: float = 10.0
    per_try_timeout: float = 1.0
    """Sent, no response head: the attempt has failed."""
    total_timeout: float = 5.0
    """From the request's arrival to its response head, all attempts and waits together."""
    connect_timeout: float = 0.25
    """`docker kill` leaves a black hole, not a refusal: only this short wait finds it."""
    hedge: bool = True
    """Send a stalled idempotent request to a second backend, inside the retry budget; the first answer wins."""


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """How much one backend may hold, and what happens to the rest."""

    max_in_flight: int = 1024
    max_queue: int = 1024
    queue_timeout: float = 1.0
    retry_after: float = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the core can be told."""

    policy: str = "round_robin"
    health: HealthSettings = field(default_factory=HealthSettings)
    passive: PassiveSettings = field(default_factory=PassiveSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    tick: float = 0.01
    """How often the shell calls `tick`: the granularity of stalls, time-outs and hedges. 100 calls a second over
    three backends cost well under 1 % of a core, and 10 ms vanish beside `stall_floor`."""
    slow_start: float = 0.0
    """A backend that comes UP ramps from 10 % to 100 % of its weight over this long; 0 turns the ramp off."""
    discovery_interval: float = 0.0
    """How often membership is read; 0 where it is static. A term of the bounds."""
    load_feedback: bool = False
    """Weights follow the load that backends report (`lb.core.load_weights`)."""
    decisions: int = 1000
    """How many requests can be asked why they went where they went: the latest that did not go smoothly, and up
    to 100 of those that did; 0 keeps no record."""
    panic: str = "open"
    """No usable backend left: `open` tries the DOWN ones anyway, `closed` answers 503."""
    follower: bool = False
    """Another process, with a share of the same traffic, says when an ejection ends."""
