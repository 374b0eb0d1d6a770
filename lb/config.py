"""The configuration: every key with its unit, its default and what it is checked against. Frozen once it is read.

Defaults come from the core's and the data plane's own settings, where the arithmetic behind each one is written.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from lb.core import settings as core
from lb.core.policies import POLICIES
from lb.proxy.limits import Limits as ProxyLimits
from lb.units import (
    Address,
    address,
    duration,
    format_duration,
    format_share,
    format_size,
    positive_duration,
    share,
    size,
)

Duration = Annotated[float, BeforeValidator(duration), PlainSerializer(format_duration, return_type=str)]
Positive = Annotated[float, BeforeValidator(positive_duration), PlainSerializer(format_duration, return_type=str)]
Share = Annotated[float, BeforeValidator(share), PlainSerializer(format_share, return_type=str)]
Size = Annotated[int, BeforeValidator(size), PlainSerializer(format_size, return_type=str)]
Listen = Annotated[Address, BeforeValidator(address), PlainSerializer(str, return_type=str)]
AtLeastOne = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_BACKEND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_HEALTH, _PASSIVE, _RETRY, _ADMISSION = (
    core.HealthSettings(),
    core.PassiveSettings(),
    core.RetrySettings(),
    core.AdmissionSettings(),
)
_CORE, _LIMITS = core.Settings(), ProxyLimits()


def _split(value: object) -> object:
    """A list can be given in one environment variable, separated by commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{str(value)!r} is not a network such as 10.0.0.0/8 or fd00::/8") from error


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


def _path(value: object) -> object:
    _expect(bool(re.fullmatch(r"/[!-~]*", str(value))), f"{value!r} is not a path such as /health")
    return value


class Section(BaseModel):
    """A mapping in the file: no unknown keys, no changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Admin(Section):
    """The admin API."""

    listen: Listen = Address("127.0.0.1", 8081)


def backend_id(value: object) -> str:
    """Ids travel in `X-Backend` and, comma-separated, in `X-Tried`. Raises `ValueError`."""
    if not isinstance(value, str) or not _BACKEND_ID.fullmatch(value):
        raise ValueError(f"{value!r} is not a backend id: up to 128 of A-Z a-z 0-9 . _ : - (a letter or digit first)")
    return value


class BackendEntry(Section):
    """One backend of a static or file discovery; `id=host:port` or just `host:port` is its short spelling."""

    id: Annotated[str, BeforeValidator(backend_id)]
    address: Listen
    weight: Number = 1.0

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, _, where = value.rpartition("=")
        return {"id": name or where, "address": where}


def unique(backends: tuple[BackendEntry, ...]) -> tuple[BackendEntry, ...]:
    """Refuse two backends of one id or one address. Raises `ValueError`."""
    for what in ("id", "address"):
        values = [str(getattr(backend, what)) for backend in backends]
        twice = sorted({value for value in values if values.count(value) > 1})
        _expect(not twice, f"{what} used twice: {', '.join(twice)}")
    return backends


class StaticDiscovery(Section):
    """Backends named in the configuration."""

    kind: Literal["static"]
    backends: Annotated[tuple[BackendEntry, ...], BeforeValidator(_split)] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        unique(self.backends)
        return self


class DnsDiscovery(Section):
    """Backends are the addresses of a name, asked for again and again."""

    kind: Literal["dns"]
    name: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    interval: Positive = 1.0
    timeout: Positive = 2.0
    """An answer that takes longer counts as none, and the known backends stay."""


class FileDiscovery(Section):
    """Backends are listed in a YAML file of their own, read again when it changes."""

    kind: Literal["file"]
    path: Path
    interval: Positive = 1.0


Discovery = StaticDiscovery | DnsDiscovery | FileDiscovery


class Health(Section):
    """Active checks: see `lb.core.settings.HealthSettings`."""

    path: Annotated[str, BeforeValidator(_path)] = _HEALTH.path
    interval: Positive = _HEALTH.interval
    fast_interval: Positive = _HEALTH.fast_interval
    timeout: Positive = _HEALTH.timeout
    fall: AtLeastOne = _HEALTH.fall
    rise: AtLeastOne = _HEALTH.rise
    jitter: Share = _HEALTH.jitter
    flap_limit: Number = _HEALTH.flap_limit
    flap_forget: Positive = _HEALTH.flap_forget
    hold_down: Duration = _HEALTH.hold_down
    max_hold_down: Duration = _HEALTH.max_hold_down

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        _expect(self.fast_interval <= self.interval, "fast_interval must not exceed interval")
        _expect(self.hold_down <= self.max_hold_down, "hold_down must not exceed max_hold_down")
        return self


class Passive(Section):
    """What live traffic says: see `lb.core.settings.PassiveSettings`."""

    consecutive_failures: AtLeastOne = _PASSIVE.consecutive_failures
    failure_window: AtLeastOne = _PASSIVE.failure_window
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
        _expect(self.stall_floor <= self.stall_ceiling, "stall_floor must not exceed stall_ceiling")
        _expect(self.base_ejection <= self.max_ejection, "base_ejection must not exceed max_ejection")
        return self


class Retry(Section):
    """When a failed attempt is repeated: see `lb.core.settings.RetrySettings`."""

    max_attempts: AtLeastOne = _RETRY.max_attempts
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
            _expect(getattr(self, name) <= self.total_timeout, f"{name} must not exceed total_timeout")
        return self


class Admission(Section):
    """How much one backend may hold: see `lb.core.settings.AdmissionSettings`."""

    max_in_flight: AtLeastOne = _ADMISSION.max_in_flight
    max_queue: Count = _ADMISSION.max_queue
    queue_timeout: Duration = _ADMISSION.queue_timeout
    retry_after: Duration = _ADMISSION.retry_after


class Limits(Section):
    """How much and how long the data plane bears: see `lb.proxy.limits.Limits`."""

    head: Size = _LIMITS.head
    fields: AtLeastOne = _LIMITS.fields
    target: Size = _LIMITS.target
    body: Size = _LIMITS.body
    buffered: Size = _LIMITS.buffered
    gather: Duration = _LIMITS.gather
    slow_head: Positive = _LIMITS.slow_head
    slow_body: Positive = _LIMITS.slow_body
    slow_reader: Positive = _LIMITS.slow_reader
    client_idle: Positive = _LIMITS.client_idle
    upstream_idle: Positive = _LIMITS.upstream_idle
    upstream_stall: Positive = _LIMITS.upstream_stall
    tunnel_idle: Positive = _LIMITS.tunnel_idle
    linger: Duration = _LIMITS.linger
    connections: AtLeastOne = _LIMITS.connections
    idle_per_backend: Count = _LIMITS.idle_per_backend

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        _expect(self.target <= self.head, "target must not exceed head, which contains it")
        return self


class AccessLog(Section):
    """One JSON line a request on stdout. Requests that failed are always among them."""

    enabled: bool = True
    sample: Share = 0.0
    """Share of the requests that went well."""


def _policy(value: object) -> object:
    _expect(value in POLICIES, f"{value!r} is not a policy; allowed: {', '.join(sorted(POLICIES))}")
    return value


class Config(Section):
    """Everything that the balancer is told."""

    version: Literal[1] = 1
    listen: Listen = Address("127.0.0.1", 8080)
    admin: Admin = Admin()
    discovery: Annotated[Discovery, Field(discriminator="kind")]
    policy: Annotated[str, BeforeValidator(_policy)] = _CORE.policy
    panic: Literal["open", "closed"] = "open"
    slow_start: Duration = _CORE.slow_start
    tick: Positive = _CORE.tick
    shutdown_timeout: Duration = 10.0
    """How long SIGTERM waits for requests in flight."""
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_split)] = ()
    """Networks whose `Forwarded` and `X-Forwarded-*` are believed."""
    health: Health = Health()
    passive: Passive = Passive()
    retry: Retry = Retry()
    admission: Admission = Admission()
    limits: Limits = Limits()
    access_log: AccessLog = AccessLog()

    @model_validator(mode="after")
    def _distinct_listeners(self) -> Self:
        same = self.listen == self.admin.listen and self.listen.port != 0
        _expect(not same, f"listen and admin.listen are both {self.listen}")
        return self

    def core_settings(self) -> core.Settings:
        """What `lb.core` needs of it."""
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
            panic=self.panic,
        )

    def proxy_limits(self) -> ProxyLimits:
        """What the data plane needs of it."""
        return ProxyLimits(**dict(self.limits))

    def printable(self) -> dict[str, Any]:
        """Every key with its unit: as it could be written in a file."""
        return self.model_dump(mode="json")
