"""What the core can be told, with the arithmetic behind each default. All times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Active checks. A schedule is end-to-start: the next probe starts `interval` after the last one ended."""

    path: str = "/health"
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


@dataclass(frozen=True, slots=True)
class PassiveSettings:
    """What live traffic says about a backend between two probes."""

    consecutive_failures: int = 5
    """Gateway-class failures in a row that eject at once, whatever the probes say."""
    base_ejection: float = 3.0
    """An ejection lasts `base_ejection × times ejected so far`, at most `max_ejection`."""
    max_ejection: float = 60.0
    max_ejected_share: float = 0.5
    """No ejection may leave more than this share of the backends EJECTED, counted after the ejection."""
    stall_floor: float = 0.05
    """No request counts as stalled before this: scheduling noise on a busy host stays below it."""
    stall_ceiling: float = 0.25
    """Every idempotent-safe wait longer than this is worth a probe, however slow the backend has been."""
    stall_deviations: float = 6.0
    """Stalled = no first byte after mean + this many mean deviations (RFC 6298 uses 4 for its time-out)."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a failed attempt may be repeated on another backend."""

    max_attempts: int = 3
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
    slow_start: float = 0.0
    """A backend that comes UP ramps from 10 % to 100 % of its weight over this long; 0 turns the ramp off."""
    discovery_interval: float = 0.0
    """How often membership is read; 0 where it is static. A term of the bounds."""
    panic: str = "open"
    """No usable backend left: `open` tries the DOWN ones anyway, `closed` answers 503."""
