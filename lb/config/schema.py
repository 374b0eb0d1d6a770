"""The configuration: every key with its unit, default and checks. It cannot be changed after it is read.

Defaults come from the settings of the core and the data plane, which also explain them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from ..core import settings as core
from ..core.policies import POLICIES
from ..proxy.limits import Limits as ProxyLimits
from ..proxy.trailers import FORBIDDEN
from . import ceilings
from .affinity_settings import Hash, Sticky
from .discovery_settings import Discovery, StaticDiscovery
from .listener_settings import ProxyProtocol, Tcp, Tls
from .units import Address, format_duration, format_size
from .value_types import (
    AT_START,
    AtLeastOne,
    Count,
    Duration,
    Fields,
    HostName,
    Interval,
    Listen,
    Networks,
    Number,
    Positive,
    Rate,
    Section,
    Share,
    Size,
    Statuses,
    Token,
    UrlPath,
    at_most,
    expect,
    split,
)

_HEALTH, _PASSIVE, _RETRY, _ADMISSION = (
    core.HealthSettings(),
    core.PassiveSettings(),
    core.RetrySettings(),
    core.AdmissionSettings(),
)
_WORKER_TIMEOUT_MIN = 2.0
_NO_ANSWER = "a {} check sends nothing and reads nothing"
_CORE, _LIMITS = core.Settings(), ProxyLimits()


class Admin(Section):
    """The admin API."""

    listen: Annotated[Listen, AT_START] = Address("127.0.0.1", 8081)
    token: Annotated[SecretStr | None, AT_START] = None
    """Bearer token that changes need if it is set or the address is not loopback."""
    hosts: Annotated[tuple[HostName, ...], BeforeValidator(split)] = ()
    """Additional names with a dot that requests may have as Host. Addresses and names without a dot are always
    allowed."""

    @field_validator("token", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None  # compose passes unset variables as empty ones

    @model_validator(mode="after")
    def _a_real_token(self) -> Self:
        expect(self.token is None or len(self.token.get_secret_value()) >= 16, "token must have 16 characters or more")
        return self


class Health(Section):
    """Active checks (`lb.core.settings.HealthSettings`)."""

    kind: Literal["http", "tcp", "tls"] = "http"
    path: UrlPath = _HEALTH.path
    headers: Fields = Field(default_factory=dict)
    expect_status: Statuses = _HEALTH.expect_status
    expect_body: Annotated[str, Field(max_length=ceilings.MOST_PROBE_TEXT)] = _HEALTH.expect_body
    interval: Interval = _HEALTH.interval
    fast_interval: Interval = _HEALTH.fast_interval
    timeout: Positive = _HEALTH.timeout
    fall: AtLeastOne = _HEALTH.fall
    rise: AtLeastOne = _HEALTH.rise
    jitter: Share = _HEALTH.jitter
    flap_limit: Number = _HEALTH.flap_limit
    flap_forget: Positive = _HEALTH.flap_forget
    hold_down: Duration = _HEALTH.hold_down
    max_hold_down: Duration = _HEALTH.max_hold_down
    start_phase: Duration = _HEALTH.start_phase
    assume_up: bool = _HEALTH.assume_up

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        expect(self.fast_interval <= self.interval, "fast_interval must not exceed interval")
        expect(self.hold_down <= self.max_hold_down, "hold_down must not exceed max_hold_down")
        if self.kind != "http":
            for name in ("headers", "expect_status", "expect_body"):
                unset = not getattr(self, name) or getattr(self, name) == getattr(_HEALTH, name)
                expect(unset, f"{name}: {_NO_ANSWER.format(self.kind)}")
        return self


class Passive(Section):
    """Detection of failures from live traffic (`lb.core.settings.PassiveSettings`)."""

    consecutive_failures: AtLeastOne = _PASSIVE.consecutive_failures
    failure_window: Annotated[AtLeastOne, at_most(ceilings.MOST_OUTCOMES)] = _PASSIVE.failure_window
    failure_max_age: Positive = _PASSIVE.failure_max_age
    failure_share: Share = _PASSIVE.failure_share
    latency_factor: Number = _PASSIVE.latency_factor
    base_ejection: Positive = _PASSIVE.base_ejection
    max_ejection: Positive = _PASSIVE.max_ejection
    forgive_after: Positive = _PASSIVE.forgive_after
    max_ejected_share: Share = _PASSIVE.max_ejected_share
    stall_floor: Positive = _PASSIVE.stall_floor
    stall_ceiling: Positive = _PASSIVE.stall_ceiling
    stall_deviations: Number = _PASSIVE.stall_deviations
    max_tick_gap: Positive = _PASSIVE.max_tick_gap

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        expect(self.stall_floor <= self.stall_ceiling, "stall_floor must not exceed stall_ceiling")
        expect(self.base_ejection <= self.max_ejection, "base_ejection must not exceed max_ejection")
        return self


class Retry(Section):
    """When a failed attempt is repeated (`lb.core.settings.RetrySettings`)."""

    max_attempts: Annotated[AtLeastOne, at_most(ceilings.MOST_ATTEMPTS)] = _RETRY.max_attempts
    budget: Share = _RETRY.budget_ratio
    budget_min_per_s: Number = _RETRY.budget_min_per_s
    budget_window: Positive = _RETRY.budget_window
    per_try_timeout: Positive = _RETRY.per_try_timeout
    total_timeout: Positive = _RETRY.total_timeout
    connect_timeout: Positive = _RETRY.connect_timeout
    hedge: bool = _RETRY.hedge

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for name in ("per_try_timeout", "connect_timeout"):
            expect(getattr(self, name) <= self.total_timeout, f"{name} must not exceed total_timeout")
        return self


class Admission(Section):
    """Limits of requests per backend and of the queue (`lb.core.settings.AdmissionSettings`)."""

    max_in_flight: AtLeastOne = _ADMISSION.max_in_flight
    max_queue: Count = _ADMISSION.max_queue
    queue_timeout: Duration = _ADMISSION.queue_timeout
    retry_after: Duration = _ADMISSION.retry_after


def _trailers(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        expect(
            name.lower().encode() not in FORBIDDEN,
            f"{name} controls how a message is parsed and cannot be a trailer field",
        )
    return names


class Limits(Section):
    """Limits of the data plane on sizes, numbers and times (`lb.proxy.limits.Limits`)."""

    head: Annotated[Size, at_most(ceilings.MOST_HEAD_BYTES, format_size)] = _LIMITS.head
    fields: Annotated[AtLeastOne, at_most(ceilings.MOST_FIELDS)] = _LIMITS.fields
    target: Annotated[Size, at_most(ceilings.MOST_HEAD_BYTES, format_size)] = _LIMITS.target
    body: Size = _LIMITS.body
    trailers: Annotated[
        tuple[Token, ...], BeforeValidator(split), AfterValidator(_trailers), Field(max_length=100)
    ] = ()
    buffered: Annotated[Size, at_most(ceilings.MOST_BUFFERED_BYTES, format_size)] = _LIMITS.buffered
    gather: Duration = _LIMITS.gather
    gather_answer: Duration = _LIMITS.gather_answer
    slow_head: Positive = _LIMITS.slow_head
    slow_body: Positive = _LIMITS.slow_body
    slow_body_rate: Rate = _LIMITS.slow_body_rate
    slow_reader: Positive = _LIMITS.slow_reader
    slow_reader_rate: Rate = _LIMITS.slow_reader_rate
    client_idle: Positive = _LIMITS.client_idle
    upstream_idle: Positive = _LIMITS.upstream_idle
    upstream_stall: Positive = _LIMITS.upstream_stall
    upstream_stall_rate: Rate = _LIMITS.upstream_stall_rate
    answer_total: Duration = _LIMITS.answer_total
    tunnel_idle: Positive = _LIMITS.tunnel_idle
    tunnel_total: Duration = _LIMITS.tunnel_total
    linger: Duration = _LIMITS.linger
    linger_total: Positive = _LIMITS.linger_total
    connections: AtLeastOne = _LIMITS.connections
    connections_per_client: Count = _LIMITS.connections_per_client
    requests_per_connection: Count = _LIMITS.requests_per_connection
    idle_per_backend: Count = _LIMITS.idle_per_backend
    idle_private: AtLeastOne = _LIMITS.idle_private
    refuse_lookalikes: bool = _LIMITS.refuse_lookalikes

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        expect(self.target <= self.head, "target must not exceed head, which contains it")
        return self


class AccessLog(Section):
    """The access log, one JSON line for each logged request. Failed requests are always logged."""

    enabled: bool = True
    sample: Share = 0.0
    """Share of the successful requests that is logged."""
    path: Annotated[Path | None, AT_START] = None
    """File for the log, opened again at each reload. Without one, the log goes to stdout."""

    @field_validator("path", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None


def _policy(value: object) -> object:
    expect(
        isinstance(value, str) and value in POLICIES,
        f"{value!r} is not a policy; allowed: {', '.join(sorted(POLICIES))}",
    )
    return value


def _workers(value: object) -> object:
    text = str(value)
    fits = text == "auto" or (text.isascii() and text.isdigit() and 1 <= int(text) <= 64)
    expect(fits, f"{value!r} is not a number of workers: 1 to 64, or auto")
    return value if text == "auto" else int(text)


def _time_to_report(seconds: float) -> float:
    least = format_duration(_WORKER_TIMEOUT_MIN)
    fits = seconds == 0.0 or seconds >= _WORKER_TIMEOUT_MIN
    expect(
        fits,
        f"{format_duration(seconds)} is too short: 0s (never), or at least {least}, since workers report each second",
    )
    return seconds


class Config(Section):
    """The whole configuration."""

    version: Annotated[Literal[1], AT_START] = 1
    workers: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=64)], BeforeValidator(_workers), AT_START] = 1
    """Number of processes for the traffic. 1: one process does everything. `auto`: one for each processor."""
    worker_timeout: Annotated[Duration, AfterValidator(_time_to_report)] = 5.0
    """A worker that sends no message for this long is killed and replaced; 0: never.

    Its new connections wait until then, so the default is not longer than the total time-out of a request. It is five
    times the interval at which workers report.
    """
    listen: Annotated[Listen, AT_START] = Address("127.0.0.1", 8080)
    tls: Annotated[Tls | None, AT_START] = None
    """Only a restart can turn TLS on or off. A reload can change the certificates."""
    proxy_protocol: ProxyProtocol = ProxyProtocol()
    tcp: Tcp = Tcp()
    admin: Admin = Admin()
    discovery: Annotated[Discovery, Field(discriminator="kind")]
    policy: Annotated[str, BeforeValidator(_policy)] = _CORE.policy
    hash: Hash = Hash()
    sticky: Sticky | None = None
    load_feedback: bool = _CORE.load_feedback
    decisions: Annotated[int, Field(ge=0, le=100_000)] = _CORE.decisions
    panic: Literal["open", "closed"] = "open"
    slow_start: Duration = _CORE.slow_start
    tick: Annotated[Positive, at_most(ceilings.LONGEST_TICK_S, format_duration)] = _CORE.tick
    shutdown_timeout: Duration = 10.0
    """How long requests in flight may take after SIGTERM."""
    trusted_proxies: Networks = ()
    """Networks whose `Forwarded` and `X-Forwarded-*` fields are trusted."""
    health: Health = Health()
    passive: Passive = Passive()
    retry: Retry = Retry()
    admission: Admission = Admission()
    limits: Limits = Limits()
    access_log: AccessLog = AccessLog()

    @model_validator(mode="after")
    def _distinct_listeners(self) -> Self:
        taken: dict[Address, str] = {}
        for key, where in (
            ("listen", self.listen),
            ("admin.listen", self.admin.listen),
            ("tcp.listen", self.tcp.listen),
        ):
            if where is not None and where.port != 0:
                expect(where not in taken, f"{taken.get(where)} and {key} are both {where}")
                taken[where] = key
        return self

    @model_validator(mode="after")
    def _tls_has_certificates(self) -> Self:
        expect(self.tls is not None or not self.tcp.tls, "tcp.tls needs the certificates of tls")
        return self

    def core_settings(self) -> core.Settings:
        """Return the settings of `lb.core`."""
        retry = dict(self.retry)
        return core.Settings(
            policy=self.policy,
            health=core.HealthSettings(**dict(self.health)),
            passive=core.PassiveSettings(**dict(self.passive)),
            retry=core.RetrySettings(budget_ratio=retry.pop("budget"), **retry),
            admission=core.AdmissionSettings(**dict(self.admission)),
            tick=self.tick,
            slow_start=self.slow_start,
            discovery_interval=0.0 if isinstance(self.discovery, StaticDiscovery) else self.discovery.interval,
            load_feedback=self.load_feedback,
            decisions=self.decisions,
            panic=self.panic,
        )

    def proxy_limits(self) -> ProxyLimits:
        """Return the limits of the data plane."""
        trailers = frozenset(name.lower().encode() for name in self.limits.trailers)
        return ProxyLimits(**{**dict(self.limits), "trailers": trailers})

    def printable(self) -> dict[str, Any]:
        """Return all keys with their values and units, in the form of the configuration file."""
        return self.model_dump(mode="json")
