"""The scenarios in which policies are compared. Work takes 10 ms on average unless a scenario says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ..core.settings import PassiveSettings, RetrySettings, Settings
from .queueing_station import Condition, Model
from .service_times import Exponential, LogNormal

WORK = 0.010
"""Seconds."""
NEVER = 1e9
"""A number of seconds or requests that no run reaches."""


class ActiveParts(StrEnum):
    """Parts of the balancer that take part in a scenario, besides the policy."""

    POLICY_ONLY = "the policy alone"
    POLICY_AND_CHECKS = "policy and active checks"
    WHOLE_BALANCER = "the whole balancer"


@dataclass(frozen=True, slots=True)
class Change:
    """At `at` seconds, the condition of the backend in focus changes."""

    at: float
    condition: Condition


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, open-loop Poisson traffic, and the condition of the backend in `focus` over time."""

    name: str
    title: str
    story: str
    fleet: tuple[Model, ...]
    rate: float
    """Requests per second."""
    warm_up: float
    """Seconds before the measurement, several relaxation times S / (1 − √ρ)² of the slowest queue."""
    measured: float
    """Seconds."""
    cool_down: float = 0.0
    """Seconds of traffic after the measurement."""
    focus: int | None = None
    """Position in the fleet of the backend that the scenario is about."""
    changes: tuple[Change, ...] = ()
    parts: ActiveParts = ActiveParts.POLICY_ONLY
    slow_start: float = 0.0
    from_readmission: bool = False
    """Whether the measurement starts when the backend in focus is used again after its fault."""

    @property
    def servers(self) -> int:
        """Number of servers of the whole fleet."""
        return sum(model.servers for model in self.fleet)

    @property
    def capacity(self) -> float:
        """Requests per second that the fleet can serve."""
        return sum(model.servers / model.service.mean for model in self.fleet)

    @property
    def utilisation(self) -> float:
        """Share of the capacity that the traffic needs (ρ)."""
        return self.rate / self.capacity

    @property
    def ends(self) -> float:
        """When the traffic stops, in seconds."""
        return self.warm_up + self.measured + self.cool_down

    def scaled(self, factor: float) -> Scenario:
        """Return the scenario with a longer or shorter measurement. Scenarios with a fault keep their timing."""
        return self if self.changes else replace(self, measured=self.measured * factor)

    def settings(self, policy: str) -> Settings:
        """Return the settings of the balancer with that policy."""
        if self.parts is ActiveParts.WHOLE_BALANCER:
            return Settings(policy=policy)
        no_detection = PassiveSettings(
            consecutive_failures=int(NEVER), failure_share=2.0, stall_floor=NEVER, stall_ceiling=NEVER
        )
        retry = RetrySettings() if self.changes else RetrySettings(per_try_timeout=NEVER, total_timeout=NEVER)
        return replace(
            Settings(
                policy=policy, passive=no_detection, retry=replace(retry, hedge=False), slow_start=self.slow_start
            ),
            admission=replace(Settings().admission, max_in_flight=int(NEVER)),
        )


def _even(size: int, servers: int = 1, work: float = WORK) -> tuple[Model, ...]:
    return (Model(Exponential(work), servers),) * size


def _at(load: float, fleet: tuple[Model, ...]) -> float:
    return round(load * sum(model.servers / model.service.mean for model in fleet), 6)


def _uneven(*, weights_known: bool) -> tuple[Model, ...]:
    return tuple(Model(Exponential(WORK), servers, float(servers) if weights_known else 1.0) for servers in (1, 2, 4))


_FIVE = _even(5, servers=8)
_COLD = (*_even(4, servers=8), Model(Exponential(WORK), 8, cold_factor=4.0))
_TAIL = (Model(LogNormal(WORK, scv=4.0)),) * 10
_OUTAGE = (Change(2.0, Condition.DEAD), Change(4.0, Condition.WELL))
_PAUSE = (Change(2.0, Condition.PAUSED), Change(5.0, Condition.WELL))

_ALL = (
    Scenario(
        "homogeneous",
        "Fifty equal backends",
        "Each backend serves one request at a time and is busy 70 % of the time. Theory has values for most policies.",
        _even(50),
        rate=_at(0.7, _even(50)),
        warm_up=1.5,
        measured=6.0,
    ),
    Scenario(
        "weighted",
        "Capacities 1 : 2 : 4, with matching weights",
        "Three backends with one, two and four servers, at 70 % of their total capacity. Round robin is the only "
        "policy that ignores weights: it sends the smallest backend 163 % of its capacity.",
        _uneven(weights_known=True),
        rate=_at(0.7, _uneven(weights_known=True)),
        warm_up=3.0,
        measured=40.0,
        focus=0,
    ),
    Scenario(
        "unweighted",
        "Capacities 1 : 2 : 4, with equal weights",
        "The same three backends, all with weight 1. Policies that use load or latency adapt to the capacities.",
        _uneven(weights_known=False),
        rate=_at(0.7, _uneven(weights_known=False)),
        warm_up=3.0,
        measured=40.0,
        focus=0,
    ),
    Scenario(
        "slow",
        "One of five is ten times slower",
        "Eight servers each, at low load. The slow backend can just serve an even share, but each of its requests "
        "takes ten times as long.",
        (*_even(4, servers=8), Model(Exponential(10 * WORK), 8)),
        rate=300.0,
        warm_up=4.0,
        measured=40.0,
        focus=4,
    ),
    Scenario(
        "long_tail",
        "Work with a long tail",
        "Ten backends with one server each at 60 %. Work is log-normal with C² = 4: one request in a hundred takes "
        "more than eight times the mean and delays all requests behind it.",
        _TAIL,
        rate=_at(0.6, _TAIL),
        warm_up=4.0,
        measured=40.0,
    ),
    Scenario(
        "recovering",
        "Readmission at full weight",
        "One of five is killed for two seconds and restarts with cold caches: at first its work takes four times as "
        "long, and it warms up within about a second. Measured for three seconds from its readmission.",
        _COLD,
        rate=_at(0.5, _COLD),
        warm_up=2.0,
        measured=3.0,
        cool_down=3.0,
        focus=4,
        changes=_OUTAGE,
        parts=ActiveParts.POLICY_AND_CHECKS,
        from_readmission=True,
    ),
    Scenario(
        "slow_start",
        "Readmission with slow start",
        "The same outage, but the weight of the backend ramps from 10 % to 100 % within three seconds.",
        _COLD,
        rate=_at(0.5, _COLD),
        warm_up=2.0,
        measured=3.0,
        cool_down=3.0,
        focus=4,
        changes=_OUTAGE,
        parts=ActiveParts.POLICY_AND_CHECKS,
        slow_start=3.0,
        from_readmission=True,
    ),
    Scenario(
        "paused_alone",
        "One of five pauses, with the policy alone",
        "For three seconds it accepts requests and responds to none. There are no checks and no hedges, only the "
        "per-try time-out of one second, so the policy can only use the load that it sees.",
        _FIVE,
        rate=_at(0.3, _FIVE),
        warm_up=2.0,
        measured=3.0,
        cool_down=2.0,
        focus=4,
        changes=_PAUSE,
    ),
    Scenario(
        "paused",
        "One of five pauses, with the whole balancer",
        "The same pause with default settings: stalled requests are hedged, make their backend suspected and start a "
        "probe at once.",
        _FIVE,
        rate=_at(0.3, _FIVE),
        warm_up=2.0,
        measured=3.0,
        cool_down=2.0,
        focus=4,
        changes=_PAUSE,
        parts=ActiveParts.WHOLE_BALANCER,
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
