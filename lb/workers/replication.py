"""Keeps the workers' balancers in the same state as the parent's, by repeating each state-changing call on them.

The inputs are replicated, not the state: the health state machine of each worker gets the same probe results in the
same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.backend import Backend, State
from ..core.balancer import Balancer
from ..core.events import Cleared, Event, Suspected, Transition
from ..core.load_weights import LoadReport
from ..core.settings import Settings
from .messages import BalancerCall

Send = Callable[[BalancerCall], None]


class ReplicatingBalancer:
    """Balancer of the parent, for discovery, prober and admin API. It also sends each change to all workers."""

    def __init__(self, balancer: Balancer, send: Send) -> None:
        self._balancer = balancer
        self._send = send

    @property
    def backends(self) -> Sequence[Backend]:
        """Return all known backends."""
        return self._balancer.backends

    @property
    def policy(self) -> str:
        """Return the name of the current policy."""
        return self._balancer.policy

    @property
    def panic(self) -> bool:
        """Return whether no backend is usable."""
        return self._balancer.panic

    def use(self, settings: Settings, now: float) -> None:
        """Apply other settings. The workers get them with their configuration (`Reconfigure`)."""
        self._balancer.use(settings, now)

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend, or change its weight."""
        backend = self._balancer.insert(backend_id, host, port, now, weight)
        self._pass_on("insert", backend_id, host, port, weight)
        return backend

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend, then remove it."""
        self._balancer.remove(backend_id, now)
        self._pass_on("remove", backend_id)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Set the state that an operator has requested."""
        self._balancer.set_state(backend_id, state, now)
        self._pass_on("set_state", backend_id, state)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Set the weight that an operator has requested."""
        self._balancer.set_weight(backend_id, weight, now)
        self._pass_on("set_weight", backend_id, weight)

    def use_policy(self, name: str) -> None:
        """Switch to another policy."""
        self._balancer.use_policy(name)
        self._pass_on("use_policy", name)

    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe and return the seconds until the next one."""
        wait = self._balancer.probed(backend, failure, took, now, name, unhealthy_response)
        self._pass_on("probed", backend.id, failure, took, name, unhealthy_response)
        return wait

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Record the load that a backend has reported in a probe's response."""
        self._balancer.reported(backend, report, now)
        self._pass_on("reported", backend.id, report)

    def _pass_on(self, method: str, *arguments: Any) -> None:
        self._send(BalancerCall(method, arguments))


def replay(balancer: Balancer, fall: int) -> Iterator[BalancerCall]:
    """Yield the calls that bring a new worker's balancer to the state of `balancer`.

    `fall` is the number of failed probes that make a backend DOWN.
    """
    yield BalancerCall("use_policy", (balancer.policy,))
    for backend in balancer.backends:
        yield BalancerCall("insert", (backend.id, backend.host, backend.port, backend.weight))
        yield from _replay_state(backend, fall)


def _replay_state(backend: Backend, fall: int) -> Iterator[BalancerCall]:
    passed = BalancerCall("probed", (backend.id, "", 0.0, backend.name, False))
    match backend.state:
        case State.UP | State.EJECTED:
            yield passed
        case State.DOWN:
            failure = backend.last_probe.failure if backend.last_probe is not None else ""
            yield from [BalancerCall("probed", (backend.id, failure or "down", 0.0, backend.name, False))] * fall
        case State.DRAIN | State.MAINT:
            yield BalancerCall("set_state", (backend.id, backend.state))
        case State.UNKNOWN:
            return
    if backend.state is State.EJECTED:
        yield BalancerCall("eject", (backend.id, "ejected before this worker started"))
    elif backend.suspected:
        yield BalancerCall("suspect", (backend.id, "suspected before this worker started", False))


def share_event(balancer: Balancer, event: Event, now: float, send_others: Send, send_source: Send) -> bool:
    """Apply a state change that one worker's traffic caused to the parent and to all other workers.

    Return False if the event is of another kind. If two workers eject backends at the same moment, they may exceed the
    ejection limit together. The parent accepts the first ejection and makes the other worker reinstate its backend.
    """
    backend = event.backend
    match event:
        case Suspected(reason=reason, firm=firm):
            balancer.suspect(backend, reason, firm, now)
            send_others(BalancerCall("suspect", (backend, reason, firm)))
        case Cleared(reason=reason):
            balancer.clear_suspicion(backend, reason, now)
            send_others(BalancerCall("clear_suspicion", (backend, reason)))
        case Transition(new=State.EJECTED, reason=reason):
            member = balancer.member(backend)
            if member is None or member.state is not State.UP:  # not UP any more, which all workers know
                return True
            if balancer.may_eject():
                balancer.eject(backend, reason, now)
                send_others(BalancerCall("eject", (backend, reason)))
            else:
                send_source(BalancerCall("reinstate", (backend, "too many backends are ejected")))
        case _:
            return False
    return True


def end_of_ejection(event: Event) -> BalancerCall | None:
    """Return the call that ends an ejection on all workers, or None if the parent's event does not end one."""
    match event:
        case Transition(backend=backend, old=State.EJECTED, new=State.UP, reason=reason):
            return BalancerCall("reinstate", (backend, reason))
    return None


class BalancerReplica:
    """Performs the parent's calls on a worker's balancer. Calls for removed backends are ignored."""

    def __init__(self, balancer: Balancer, clock: Callable[[], float]) -> None:
        self._balancer = balancer
        self._clock = clock

    def do(self, call: BalancerCall) -> None:
        """Perform the call with the current time of this process, because a balancer's time must never decrease."""
        now = self._clock()
        match call:
            case BalancerCall("insert", (backend_id, host, port, weight)):
                self._balancer.insert(backend_id, host, port, now, weight)
            case BalancerCall("use_policy", (name,)):
                self._balancer.use_policy(name)
            case BalancerCall("probed", (backend_id, failure, took, name, unhealthy_response)):
                for backend in self._known(backend_id):
                    self._balancer.probed(backend, failure, took, now, name, unhealthy_response)
            case BalancerCall("reported", (backend_id, report)):
                for backend in self._known(backend_id):
                    self._balancer.reported(backend, report, now)
            case BalancerCall(method, (backend_id, *rest)):
                if self._known(backend_id):
                    getattr(self._balancer, method)(backend_id, *rest, now)

    def _known(self, backend_id: str) -> list[Backend]:
        """Return a list with the backend of this id, empty if it is unknown or being removed."""
        found = self._balancer.member(backend_id)
        return [found] if found is not None else []
