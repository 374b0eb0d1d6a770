"""Settings of the core, with the reasons for their defaults. All times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Active checks. The schedule is end-to-start: the next probe starts `interval` after the last one ended.

    A setting that changes when a check starts or ends also belongs in the formulae of `bounds.py`.
    """

    kind: str = "http"
    """`http` sends a request. `tcp` only connects, which also succeeds if the backend hangs or is paused. `tls` also
    performs a handshake, which fails on a paused backend."""
    path: str = "/health"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields that every probe sends. A `Host` field here is sent in place of the backend's address."""
    expect_status: tuple[int, int] = (200, 200)
    """Lowest and highest status that passes."""
    expect_body: str = ""
    """Text that the first 64 KiB of the response must contain; empty to accept any body."""
    interval: float = 0.5
    fast_interval: float = 0.1
    """Interval while the state is in doubt (UP and failing, DOWN and passing)."""
    timeout: float = 0.4
    fall: int = 2
    """Consecutive failures that take an UP backend DOWN."""
    rise: int = 2
    """Consecutive passes that bring a DOWN backend UP. An UNKNOWN backend needs one pass."""
    jitter: float = 0.1
    """Each wait is multiplied by a uniform factor in [1, 1 + jitter], so that probes do not synchronise."""
    flap_limit: float = 4.0
    """Number of falls in a short time without a hold-down. Each further fall doubles the hold-down before readmission.
    With four, neither a deployment (one restart) nor a few successive faults delay a readmission."""
    flap_forget: float = 10.0
    """Time UP after which one fall is no longer counted."""
    hold_down: float = 1.0
    """First hold-down: how long a flapping backend stays DOWN although its probes pass."""
    max_hold_down: float = 30.0
    start_phase: float = 0.0
    """Time after a backend became known in which failed probes do not take it from UNKNOWN to DOWN, because it is still
    booting. It is probed at the fast interval, and one pass brings it UP, while from DOWN it would need `rise`
    passes."""
    assume_up: bool = False
    """Whether a new backend gets traffic before its first probe. Set it only if all backends are known to work when the
    balancer starts."""


@dataclass(frozen=True, slots=True)
class PassiveSettings:
    """Detection of failing backends from live traffic between two probes."""

    consecutive_failures: int = 5
    """Failures in a row (connect, reset, time-out, any 5xx) that eject at once, even if probes pass. If the other
    backends fail most of their requests too, the fault is elsewhere, and no backend is ejected."""
    failure_window: int = 20
    """Number of latest outcomes from which the share of failures is computed. An ejection needs at least half as
    many."""
    failure_max_age: float = 10.0
    """Older outcomes do not count."""
    failure_share: float = 0.4
    """A backend is ejected when its share of failures exceeds that of the others by more than this. A backend that
    fails 10 % of its requests has five failures among ten outcomes once in 600 windows; one that fails 1 %, practically
    never. A backend that fails 50 % is detected within 10 to 20 requests."""
    latency_factor: float = 0.0
    """A backend is ejected when its mean latency exceeds this multiple of the others' median (and `stall_ceiling`). Off
    (0) by default: a slow backend still responds, and policies can avoid it (`peak_ewma`, `p2c`)."""
    base_ejection: float = 3.0
    """An ejection lasts `base_ejection` × the number of recent ejections, at most `max_ejection`."""
    max_ejection: float = 60.0
    forgive_after: float = 60.0
    """Time without an ejection after which one ejection is no longer counted."""
    max_ejected_share: float = 0.5
    """No ejection may leave more than this share of the backends EJECTED, counted after the ejection."""
    stall_floor: float = 0.05
    """A request counts as stalled at the earliest when it has waited this much longer than the backend's mean latency.
    The default is above scheduling noise."""
    stall_ceiling: float = 0.25
    """A longer wait always causes a probe and a hedge, even on a backend that is usually slow."""
    stall_deviations: float = 6.0
    """A request counts as stalled if no byte of its response has arrived after the mean latency plus this many mean
    deviations (RFC 6298 uses 4)."""
    max_tick_gap: float = 0.05
    """If two ticks are further apart than this, the balancer itself was delayed. Its sockets may contain unread
    responses, so the gap does not count as a stall of any backend. The default is five ticks, so that usual delays do
    not disable stall detection."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a failed attempt may be retried on another backend."""

    max_attempts: int = 3
    """Maximum number of attempts of a request, with the first one and hedges. Refused connections do not count
    (decision 8)."""
    budget_ratio: float = 0.2
    """Limit on retries and hedges together, as a share of the requests."""
    budget_min_per_s: float = 3.0
    """Retries per second that are allowed in any case, so that a balancer with little traffic can retry at all."""
    budget_window: float = 10.0
    per_try_timeout: float = 1.0
    """Time from sending the request to the response head. After this the attempt has failed."""
    total_timeout: float = 5.0
    """Time from the arrival of the request to its response head, including all attempts and waits."""
    connect_timeout: float = 0.25
    """Time-out of connecting. After `docker kill`, packets are dropped instead of refused, so only this detects it."""
    hedge: bool = True
    """Whether to send a stalled idempotent request to a second backend, within the retry budget. The first response
    wins."""


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Requests in flight on one backend, and the queue for further requests."""

    max_in_flight: int = 1024
    max_queue: int = 1024
    queue_timeout: float = 1.0
    retry_after: float = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the core."""

    policy: str = "round_robin"
    health: HealthSettings = field(default_factory=HealthSettings)
    passive: PassiveSettings = field(default_factory=PassiveSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    tick: float = 0.01
    """Interval at which the shell calls `tick`: the granularity of stalls, time-outs and hedges. 100 calls a second
    over three backends cost well under 1 % of a core, and 10 ms are small compared with `stall_floor`."""
    slow_start: float = 0.0
    """The weight of a backend that comes UP ramps from 10 % to 100 % over this time; 0 disables the ramp."""
    discovery_interval: float = 0.0
    """Interval at which discovery reads its source; 0 if the backends are static. It is a term of the bounds."""
    load_feedback: bool = False
    """Whether weights follow the load that backends report (`lb.core.load_weights`)."""
    decisions: int = 1000
    """Number of eventful requests whose decisions are kept, plus up to 100 without any event; 0: none are kept."""
    panic: str = "open"
    """Reaction if no backend is usable: `open` tries those that are DOWN, `closed` responds with 503."""
    follower: bool = False
    """Whether another process, with another part of the same traffic, decides when an ejection ends."""
