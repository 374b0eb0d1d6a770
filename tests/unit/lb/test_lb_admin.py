from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lb.admin import changes, views
from lb.admin.auth import Gate
from lb.config.units import Address
from lb.core import policies
from lb.core.backend import Backend, ProbeResult, State
from lb.errors import ConflictError, InvalidError, UnauthorizedError


@dataclass
class Balancer:
    """Does as it is told."""

    backends: list[Backend]
    policy: str = "round_robin"
    panic: bool = False
    leaving: tuple[str, ...] = ()

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        self.backends.append(Backend(backend_id, host, port, weight))
        return self.backends[-1]

    def remove(self, backend_id: str, now: float) -> None:
        if backend_id in self.leaving:
            raise KeyError(backend_id)
        self.backends = [one for one in self.backends if one.id != backend_id]

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        changes.find(self, backend_id).state = state

    def use_policy(self, name: str) -> None:
        policies.create(name, policies.Load(1))
        self.policy = name

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        changes.find(self, backend_id).weight = weight


def balancer(*states: State) -> Balancer:
    return Balancer([Backend(name, f"h{name}", 1, state=state) for name, state in zip("abc", states, strict=False)])


def adjust(to: Balancer, backend_id: str, **body: Any) -> Backend:
    return changes.adjust(to, backend_id, changes.parse(changes.Adjustment, body), 0.0)


# --- views ---


def test_a_backend_shows_durations_and_not_moments() -> None:
    one = Backend("a", "::1", 80, state=State.UP, since=90.0, last_probe=ProbeResult(98.0, 0.004, ""))
    one.latency_mean = 0.0125

    shown = views.backend(one, {"a": 2}, now=100.0)

    assert (shown["address"], shown["state"], shown["since_s"], shown["latency_ms"]) == ("[::1]:80", "up", 10.0, 12.5)
    assert shown["last_probe"] == {"passed": True, "failure": None, "took_ms": 4.0, "ago_s": 2.0}


def test_what_is_not_known_yet_is_null() -> None:
    shown = views.backend(Backend("a", "h", 1), {}, now=0.0)

    assert shown["last_probe"] is None
    assert shown["latency_ms"] is None


@pytest.mark.parametrize(
    ("states", "probed", "reason"),
    [
        ([State.UP, State.DOWN], True, ""),
        ([State.UP, State.UNKNOWN], False, "not probed yet: b"),
        ([State.DOWN, State.MAINT], True, "no backend is up"),
        ([State.UP, State.MAINT], False, ""),
        ([], True, "no backend is up"),
    ],
)
def test_ready_once_somebody_serves_and_everybody_was_probed(states: list[State], probed: bool, reason: str) -> None:
    of = balancer(*states)
    for one in of.backends:
        one.last_probe = ProbeResult(0.0, 0.0) if probed else None

    assert views.unready(of) == reason


# --- changes ---


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_the_last_usable_backend_is_only_taken_out_by_force(state: str) -> None:
    of = balancer(State.UP, State.DOWN, State.MAINT)

    with pytest.raises(ConflictError, match="would leave no usable backend; repeat with force"):
        adjust(of, "a", state=state, weight=5)
    assert (of.backends[0].state, of.backends[0].weight) == (State.UP, 1.0), "refused as a whole"

    assert adjust(of, "a", state=state, force=True).state == State(state)


def test_the_last_usable_backend_is_only_removed_by_force() -> None:
    of = balancer(State.UP, State.DOWN)

    with pytest.raises(ConflictError):
        changes.remove(of, "a", changes.Removal(), 0.0)
    changes.remove(of, "a", changes.Removal(force=True), 0.0)

    assert [one.id for one in of.backends] == ["b"]


def test_a_backend_that_is_already_leaving_cannot_be_removed_again() -> None:
    of = balancer(State.UP, State.DRAIN)
    of.leaving = ("b",)

    with pytest.raises(ConflictError, match="'b' is already removed"):
        changes.remove(of, "b", changes.Removal(), 0.0)


def test_one_of_two_usable_backends_may_go() -> None:
    assert adjust(balancer(State.UP, State.UP), "a", state="drain").state is State.DRAIN


def test_a_backend_that_serves_nobody_may_go() -> None:
    assert adjust(balancer(State.DOWN, State.DOWN), "a", state="maint").state is State.MAINT


def test_force_in_a_query_is_text() -> None:
    assert changes.parse(changes.Removal, {"force": "true"}).force
    assert changes.parse(changes.Removal, {}).force is False


def test_a_new_backend_may_be_given_in_the_short_spelling() -> None:
    of = balancer(State.UP)

    added = changes.add(of, changes.parse(changes.Addition, "d=10.0.0.1:80"), 0.0)

    assert (added.id, added.host, added.port) == ("d", "10.0.0.1", 80)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"id": "d"}, "address: Field required"),
        ({"id": "d", "address": "h:1", "weight": "heavy"}, "weight: should be a valid number"),
        ([], "body: should be a valid dictionary"),
        ({"id": "", "address": "x"}, "id: '' is not a backend id"),
    ],
)
def test_each_wrong_field_is_named(body: Any, problem: str) -> None:
    with pytest.raises(InvalidError) as raised:
        changes.parse(changes.Addition, body)

    assert str(raised.value).startswith(problem)


def protocols_hold(of: Balancer) -> Sequence[object]:
    """For mypy: the double is what the handlers ask for."""
    changeable: changes.Changeable = of
    return changeable.backends


# --- policy, weight and who may change them ---


def test_another_policy_is_used_and_an_unknown_one_is_refused_with_the_known() -> None:
    to = balancer(State.UP)
    change = changes.parse(changes.PolicyChange, {"policy": "p2c"})
    assert changes.use_policy(to, change) == to.policy == "p2c"
    with pytest.raises(InvalidError, match=r"unknown policy 'best'; known: least_requests, .*weighted"):
        changes.use_policy(to, changes.parse(changes.PolicyChange, {"policy": "best"}))
    assert to.policy == "p2c"
    with pytest.raises(InvalidError, match="hash"):
        changes.parse(changes.PolicyChange, {"policy": "p2c", "hash": "client"})


def test_the_last_one_keeps_its_weight_unless_forced() -> None:
    to = balancer(State.UP, State.DOWN)
    with pytest.raises(ConflictError, match="force"):
        adjust(to, "a", weight=0)
    assert adjust(to, "a", weight=0, force=True).weight == 0
    both = balancer(State.UP, State.UP)
    assert adjust(both, "a", weight=0).weight == 0
    with pytest.raises(ConflictError, match="force"):
        adjust(both, "b", state="drain")


@pytest.mark.parametrize(
    ("listen", "token", "authorization", "refusal"),
    [
        ("127.0.0.1", "", "", None),
        ("::1", "", "", None),
        ("localhost", "", "", None),
        ("0.0.0.0", "", "", "no admin.token is configured"),
        ("0.0.0.0", "", "Bearer anything", "no admin.token is configured"),
        ("lb.internal", "", "", "no admin.token is configured"),
        ("0.0.0.0", "secret", "", "need the header"),
        ("0.0.0.0", "secret", "Basic secret", "need the header"),
        ("0.0.0.0", "secret", "Bearer secre", "is not the configured"),
        ("0.0.0.0", "secret", "Bearer ", "is not the configured"),
        ("0.0.0.0", "secret", "bearer secret", None),
        ("127.0.0.1", "secret", "", "need the header"),
        ("127.0.0.1", "secret", "Bearer secret", None),
    ],
)
def test_who_may_change_the_balancer(listen: str, token: str, authorization: str, refusal: str | None) -> None:
    gate = Gate(Address(listen, 8081), token)
    if refusal is None:
        gate.check(authorization)
        return
    with pytest.raises(UnauthorizedError, match=refusal):
        gate.check(authorization)
