"""The worlds that policies are compared in. Work is 10 ms on average unless a scenario says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ..core.settings import PassiveSettings, RetrySettings, Settings
from .queueing_station import Condition, Model
from .service_times import Exponential, LogNormal

WORK = 0.010
"""Seconds."""
NEVER = 1e9
"""Seconds, or requests: out of reach of any run."""


class Watch(StrEnum):
    """How much of the balancer besides the policy takes part."""

    NOTHING = "the policy alone"
    PROBES = "policy and active checks"
    EVERYTHING = "the whole balancer"


@dataclass(frozen=True, slots=True)
class Change:
    """At `at` seconds the scenario's focus meets another condition."""

    at: float
    condition: Condition


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, open-loop Poisson traffic, and what happens to the backend in `focus`."""

    name: str
    title: str
    story: str
    fleet: tuple[Model, ...]
    rate: float
    """Requests a second."""
    warm_up: float
    """Seconds before anything is measured: several relaxation times S / (1 − √ρ)² of the slowest queue."""
    measured: float
    """Seconds."""
    rest: float = 0.0
    """Seconds of traffic after that."""
    focus: int | None = None
    """The position in the fleet of the backend that the scenario is about."""
    changes: tuple[Change, ...] = ()
    watch: Watch = Watch.NOTHING
    slow_start: float = 0.0
    from_readmission: bool = False
    """Measure from the moment in which the focus, after its fault, is picked again."""

    @property
    def servers(self) -> int:
        """All of them."""
        return sum(model.servers for model in self.fleet)

    @property
    def capacity(self) -> float:
        """Requests a second that the fleet can serve."""
        return sum(model.servers / model.service.mean for model in self.fleet)

    @property
    def utilisation(self) -> float:
        """ρ: the share of its capacity that the traffic needs."""
        return self.rate / self.capacity

    @property
    def ends(self) -> float:
        """When the traffic stops, seconds."""
        return self.warm_up + self.measured + self.rest

    def scaled(self, factor: float) -> Scenario:
        """Measured for longer or shorter. Scenarios with a fault keep their clock: its timing is what they show."""
        return self if self.changes else replace(self, measured=self.measured * factor)

    def settings(self, policy: str) -> Settings:
        """The balancer's, with that policy."""
        if self.watch is Watch.EVERYTHING:
            return Settings(policy=policy)
        blind = PassiveSettings(
            consecutive_failures=int(NEVER), failure_share=2.0, stall_floor=NEVER, stall_ceiling=NEVER
        )
        patience = RetrySettings() if self.changes else RetrySettings(per_try_timeout=NEVER, total_timeout=NEVER)
        return replace(
            Settings(policy=policy, passive=blind, retry=replace(patience, hedge=False), slow_start=self.slow_start),
            admission=replace(Settings().admission, max_in_flight=int(NEVER)),
        )


def _even(size: int, servers: int = 1, work: float = WORK) -> tuple[Model, ...]:
    return (Model(Exponential(work), servers),) * size


def _at(load: float, fleet: tuple[Model, ...]) -> float:
    return round(load * sum(model.servers / model.service.mean for model in fleet), 6)


def _uneven(*, told: bool) -> tuple[Model, ...]:
    return tuple(Model(Exponential(WORK), servers, float(servers) if told else 1.0) for servers in (1, 2, 4))


_FIVE = _even(5, servers=8)
_COLD = (*_even(4, servers=8), Model(Exponential(WORK), 8, cold=4.0))
_TAIL = (Model(LogNormal(WORK, scv=4.0)),) * 10
_OUTAGE = (Change(2.0, Condition.DEAD), Change(4.0, Condition.WELL))
_PAUSE = (Change(2.0, Condition.PAUSED), Change(5.0, Condition.WELL))

_ALL = (
    Scenario(
        "homogeneous",
        "Fifty equal backends",
        "Each serves one request at a time and is busy 70 % of it. The textbook case: theory has an answer for "
        "most policies.",
        _even(50),
        rate=_at(0.7, _even(50)),
        warm_up=1.5,
        measured=6.0,
    ),
    Scenario(
        "weighted",
        "Capacities 1 : 2 : 4, and the weights say so",
        "Three backends with one, two and four servers, at 70 % of what they can do together. Round robin is the one "
        "policy that ignores weights: it sends the smallest 163 % of what it can serve.",
        _uneven(told=True),
        rate=_at(0.7, _uneven(told=True)),
        warm_up=3.0,
        measured=40.0,
        focus=0,
    ),
    Scenario(
        "unweighted",
        "Capacities 1 : 2 : 4, and nobody told the balancer",
        "The same three backends, all with weight 1. Policies that look at load or latency find out by themselves.",
        _uneven(told=False),
        rate=_at(0.7, _uneven(told=False)),
        warm_up=3.0,
        measured=40.0,
        focus=0,
    ),
    Scenario(
        "slow",
        "One of five is ten times slower",
        "Eight servers each, at little load: the slow one can just carry an even share, and makes whoever is sent "
        "there wait ten times as long.",
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
        "more than eight times the mean, and holds up all behind it.",
        _TAIL,
        rate=_at(0.6, _TAIL),
        warm_up=4.0,
        measured=40.0,
    ),
    Scenario(
        "recovering",
        "Back from the dead, at full share at once",
        "One of five is killed for two seconds and comes back cold: its work takes four times as long, warming up "
        "within about a second. Measured for three seconds from its readmission.",
        _COLD,
        rate=_at(0.5, _COLD),
        warm_up=2.0,
        measured=3.0,
        rest=3.0,
        focus=4,
        changes=_OUTAGE,
        watch=Watch.PROBES,
        from_readmission=True,
    ),
    Scenario(
        "slow_start",
        "Back from the dead, with slow start",
        "The same outage, but the weight of the backend ramps from 10 % to 100 % within three seconds.",
        _COLD,
        rate=_at(0.5, _COLD),
        warm_up=2.0,
        measured=3.0,
        rest=3.0,
        focus=4,
        changes=_OUTAGE,
        watch=Watch.PROBES,
        slow_start=3.0,
        from_readmission=True,
    ),
    Scenario(
        "paused_alone",
        "One of five pauses, and the policy is alone",
        "For three seconds it takes requests and answers none: no checks, no hedges, only the per-try time-out of one "
        "second. What is left is the policy's own sense of load.",
        _FIVE,
        rate=_at(0.3, _FIVE),
        warm_up=2.0,
        measured=3.0,
        rest=2.0,
        focus=4,
        changes=_PAUSE,
    ),
    Scenario(
        "paused",
        "One of five pauses, and the whole balancer acts",
        "The same pause with default settings: requests that stall are hedged, make their backend suspected and start "
        "a probe at once.",
        _FIVE,
        rate=_at(0.3, _FIVE),
        warm_up=2.0,
        measured=3.0,
        rest=2.0,
        focus=4,
        changes=_PAUSE,
        watch=Watch.EVERYTHING,
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
