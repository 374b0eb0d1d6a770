"""A balancer whose changes are repeated by others: what it is told, they are told, and so they stand where it stands.

Inputs are copied, not state: every worker runs the same health machine on the same probe results in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.backend import Backend, State
from ..core.balancer import Balancer
from ..core.events import Cleared, Event, Suspected, Transition
from ..core.load_weights import LoadReport
from ..core.settings import Settings
from .messages import Do

Tell = Callable[[Do], None]


class Replicated:
    """What discovery, prober and admin API change; `tell` passes each change on to every worker."""

    def __init__(self, balancer: Balancer, tell: Tell) -> None:
        self._balancer = balancer
        self._tell = tell

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends."""
        return self._balancer.backends

    @property
    def policy(self) -> str:
        """The policy that picks."""
        return self._balancer.policy

    @property
    def panic(self) -> bool:
        """No backend is known to be usable."""
        return self._balancer.panic

    def use(self, settings: Settings, now: float) -> None:
        """Workers take theirs from the configuration that they are sent."""
        self._balancer.use(settings, now)

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend."""
        backend = self._balancer.insert(backend_id, host, port, now, weight)
        self._pass_on("insert", backend_id, host, port, weight)
        return backend

    def remove(self, backend_id: str, now: float) -> None:
        """Drain a backend and let it go."""
        self._balancer.remove(backend_id, now)
        self._pass_on("remove", backend_id)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word."""
        self._balancer.set_state(backend_id, state, now)
        self._pass_on("set_state", backend_id, state)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word."""
        self._balancer.set_weight(backend_id, weight, now)
        self._pass_on("set_weight", backend_id, weight)

    def use_policy(self, name: str) -> None:
        """Pick by another policy."""
        self._balancer.use_policy(name)
        self._pass_on("use_policy", name)

    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe."""
        wait = self._balancer.probed(backend, failure, took, now, name, unhealthy_response)
        self._pass_on("probed", backend.id, failure, took, name, unhealthy_response)
        return wait

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """A probe's answer tells of load."""
        self._balancer.reported(backend, report, now)
        self._pass_on("reported", backend.id, report)

    def _pass_on(self, method: str, *arguments: Any) -> None:
        self._tell(Do(method, arguments))


def story(balancer: Balancer, fall: int) -> Iterator[Do]:
    """What brings a new worker to where `balancer` stands: the shortest past that leads there."""
    yield Do("use_policy", (balancer.policy,))
    for backend in balancer.backends:
        yield Do("insert", (backend.id, backend.host, backend.port, backend.weight))
        yield from _standing(backend, fall)


def _standing(backend: Backend, fall: int) -> Iterator[Do]:
    passed = Do("probed", (backend.id, "", 0.0, backend.name, False))
    match backend.state:
        case State.UP | State.EJECTED:
            yield passed
        case State.DOWN:
            failure = backend.last_probe.failure if backend.last_probe is not None else ""
            yield from [Do("probed", (backend.id, failure or "down", 0.0, backend.name, False))] * fall
        case State.DRAIN | State.MAINT:
            yield Do("set_state", (backend.id, backend.state))
        case State.UNKNOWN:
            return
    if backend.state is State.EJECTED:
        yield Do("eject", (backend.id, "ejected before this worker began"))
    elif backend.suspected:
        yield Do("suspect", (backend.id, "suspected before this worker began", False))


def passed_on(balancer: Balancer, event: Event, now: float, others: Tell, source: Tell) -> bool:
    """What one worker's traffic shows counts for all. False: the event is no such news.

    Two workers may each take out a backend at the same moment, and together more than the limit allows. Here one
    is first, and the other is told to take its word back.
    """
    backend = event.backend
    match event:
        case Suspected(reason=reason, firm=firm):
            balancer.suspect(backend, reason, firm, now)
            others(Do("suspect", (backend, reason, firm)))
        case Cleared(reason=reason):
            balancer.clear_suspicion(backend, reason, now)
            others(Do("clear_suspicion", (backend, reason)))
        case Transition(new=State.EJECTED, reason=reason):
            member = balancer.member(backend)
            if member is None or member.state is not State.UP:  # it is out already, and they know
                return True
            if balancer.may_eject():
                balancer.eject(backend, reason, now)
                others(Do("eject", (backend, reason)))
            else:
                source(Do("reinstate", (backend, "too many are ejected")))
        case _:
            return False
    return True


def ending(event: Event) -> Do | None:
    """Of the parent's own events: an ejection ends in all processes at once, when the parent says so."""
    match event:
        case Transition(backend=backend, old=State.EJECTED, new=State.UP, reason=reason):
            return Do("reinstate", (backend, reason))
    return None


class Follower:
    """A worker's balancer, told what to do by method and backend id. What it does not know any more is no error."""

    def __init__(self, balancer: Balancer, clock: Callable[[], float]) -> None:
        self._balancer = balancer
        self._clock = clock

    def do(self, told: Do) -> None:
        """Call the method, with this process' own time: it must not go back by as much as the message took."""
        now = self._clock()
        match told:
            case Do("insert", (backend_id, host, port, weight)):
                self._balancer.insert(backend_id, host, port, now, weight)
            case Do("use_policy", (name,)):
                self._balancer.use_policy(name)
            case Do("probed", (backend_id, failure, took, name, unhealthy_response)):
                for backend in self._known(backend_id):
                    self._balancer.probed(backend, failure, took, now, name, unhealthy_response)
            case Do("reported", (backend_id, report)):
                for backend in self._known(backend_id):
                    self._balancer.reported(backend, report, now)
            case Do(method, (backend_id, *rest)):
                if self._known(backend_id):
                    getattr(self._balancer, method)(backend_id, *rest, now)

    def _known(self, backend_id: str) -> list[Backend]:
        """The member of that id; one that drains out under it is past being told anything."""
        found = self._balancer.member(backend_id)
        return [found] if found is not None else []
