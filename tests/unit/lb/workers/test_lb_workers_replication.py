"""Balancers that are told the same stand the same, a newcomer included."""

from __future__ import annotations

import pickle
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.config.discovery_settings import StaticDiscovery
from lb.config.schema import Config
from lb.config.units import Address
from lb.core.backend import Backend, State
from lb.core.balancer import Balancer
from lb.core.events import AttemptFailed, Event, Suspected, Transition
from lb.core.exchange import Attempt, Failure
from lb.core.load_weights import LoadReport
from lb.core.settings import HealthSettings, PassiveSettings, Settings
from lb.workers.messages import BalancerCall
from lb.workers.replication import BalancerReplica, ReplicatingBalancer, end_of_ejection, replay, share_event
from lb.workers.worker import divide_limits, settings_of

SETTINGS = Settings(health=HealthSettings(jitter=0.0), passive=PassiveSettings(consecutive_failures=2))


class Fleet:
    """A parent and its workers, whose messages arrive at once."""

    def __init__(self, workers: int = 2, settings: Settings = SETTINGS) -> None:
        self.now = 0.0
        self.settings = settings
        self.parent_events: list[Event] = []
        self.core = Balancer(settings, Random(1), self.happened)
        self.workers: list[tuple[Balancer, BalancerReplica, list[Event]]] = []
        self.parent = ReplicatingBalancer(self.core, self.tell)
        for _ in range(workers):
            self.hire()

    def hire(self) -> Balancer:
        events: list[Event] = []
        balancer = Balancer(replace(self.settings, follower=True), Random(2), events.append)
        follower = BalancerReplica(balancer, lambda: self.now)
        for told in replay(self.core, self.settings.health.fall):
            follower.do(told)
        self.workers.append((balancer, follower, events))
        return balancer

    def tell(self, told: BalancerCall) -> None:
        told = pickle.loads(pickle.dumps(told))
        for _, follower, _ in self.workers:
            follower.do(told)

    def add(self, *names: str) -> None:
        for name in names:
            self.parent.insert(name, name, 1, self.now)

    def happened(self, event: Event) -> None:
        self.parent_events.append(event)
        told = end_of_ejection(event)
        if told is not None:
            self.tell(told)

    def report(self, source: Balancer) -> None:
        """What has happened in one worker since the last time."""
        ((its, events),) = [(follower, events) for balancer, follower, events in self.workers if balancer is source]
        news, events[:] = list(events), []

        def others(told: BalancerCall) -> None:
            for balancer, follower, _ in self.workers:
                if balancer is not source:
                    follower.do(told)

        for event in news:
            if isinstance(event, Transition) and event.new is not State.EJECTED:
                continue  # as `Worker` does
            share_event(self.core, event, self.now, others, its.do)

    def ejections(self) -> list[Transition]:
        return [each for each in self.parent_events if isinstance(each, Transition) and each.new is State.EJECTED]

    def tick(self, now: float) -> None:
        self.now = now
        for balancer in (self.core, *(balancer for balancer, _, _ in self.workers)):
            balancer.tick(now)

    def probe(self, name: str, failure: str = "") -> None:
        self.parent.probed(next(one for one in self.core.backends if one.id == name), failure, 0.001, self.now)


def standing(balancer: Balancer) -> list[tuple[str, State, bool, float]]:
    return [(one.id, one.state, one.suspected, one.weight) for one in balancer.backends]


CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("probe"), st.sampled_from("abc"), st.sampled_from(["", "", "timeout", "refused"])),
        st.tuples(st.just("state"), st.sampled_from("abc"), st.sampled_from([State.DRAIN, State.MAINT, State.UP])),
        st.tuples(st.just("weight"), st.sampled_from("abc"), st.sampled_from([0.0, 1.0, 5.0])),
        st.tuples(st.just("remove"), st.sampled_from("abc"), st.none()),
        st.tuples(st.just("insert"), st.sampled_from("abc"), st.none()),
        st.tuples(st.just("policy"), st.sampled_from(["p2c", "maglev", "round_robin"]), st.none()),
        st.tuples(st.just("load"), st.sampled_from("abc"), st.none()),
    ),
    max_size=40,
)


@given(CALLS)
def test_whatever_the_parent_is_told_its_workers_stand_where_it_stands(calls: list[tuple[str, str, object]]) -> None:
    fleet = Fleet()
    fleet.add("a", "b", "c")
    for kind, name, value in calls:
        fleet.now += 0.3
        known = {one.id: one for one in fleet.core.backends}
        if kind == "insert":
            fleet.parent.insert(name, name, 1, fleet.now)
        elif kind == "policy":
            fleet.parent.use_policy(name)
        elif name in known:
            act(fleet, kind, known[name], value)
        for balancer, _, _ in fleet.workers:
            assert standing(balancer) == standing(fleet.core)
            assert balancer.policy == fleet.core.policy
            assert balancer.panic == fleet.core.panic


def act(fleet: Fleet, kind: str, backend: Backend, value: object) -> None:
    if kind == "probe":
        fleet.probe(backend.id, str(value))
    elif kind == "state":
        fleet.parent.set_state(backend.id, State(value), fleet.now)
    elif kind == "weight":
        fleet.parent.set_weight(backend.id, float(str(value)), fleet.now)
    elif kind == "load":
        fleet.parent.reported(backend, LoadReport(cpu=0.5), fleet.now)
    else:
        fleet.parent.remove(backend.id, fleet.now)


@given(CALLS)
def test_a_newcomer_stands_where_the_others_do(calls: list[tuple[str, str, object]]) -> None:
    fleet = Fleet(workers=0)
    fleet.add("a", "b", "c")
    for kind, name, value in calls:
        fleet.now += 0.3
        known = {one.id: one for one in fleet.core.backends}
        if kind in ("probe", "state", "weight", "remove") and name in known:
            act(fleet, kind, known[name], value)

    assert standing(fleet.hire()) == standing(fleet.core)


def test_a_newcomer_learns_of_suspicions_and_ejections() -> None:
    fleet = Fleet(workers=0)
    fleet.add("a", "b", "c")
    for name in "abc":
        fleet.probe(name)
    fleet.core.suspect("a", "stalled", False, 0.5)
    fleet.core.eject("b", "2 requests failed in a row; ejected for 3.0 s", 0.5)

    newcomer = fleet.hire()

    assert standing(newcomer) == standing(fleet.core)
    assert [one.state for one in newcomer.backends] == [State.UP, State.EJECTED, State.UP]
    assert newcomer.backends[0].suspected


def serve(balancer: Balancer, times: int, now: float, bad: str = "a") -> None:
    """Requests of which `bad` fails every one and the others none."""
    for _ in range(times):
        attempt = balancer.next(balancer.admit("POST", now), now)
        assert isinstance(attempt, Attempt)
        balancer.sent(attempt, now)
        balancer.answered(attempt, 500 if attempt.backend.id == bad else 200, now)
        balancer.completed(attempt, now)


def test_an_ejection_elsewhere_ends_here_when_it_ends_there() -> None:
    fleet = Fleet()
    fleet.add("a", "b")
    for name in "ab":
        fleet.probe(name)
    (first, second) = (balancer for balancer, _, _ in fleet.workers)
    fleet.now = 0.2
    serve(first, 6, 0.2)
    fleet.report(first)
    everybody = (first, second, fleet.core)
    assert [one.backends[0].state for one in everybody] == [State.EJECTED] * 3

    fleet.now = 3.0
    fleet.probe("a")
    for now, expected in ((3.1, State.EJECTED), (3.3, State.UP)):
        fleet.tick(now)
        assert [one.backends[0].state for one in everybody] == [expected] * 3


def test_an_ejection_that_two_find_out_is_one_record_and_one_sentence() -> None:
    fleet = Fleet()
    fleet.add("a", "b")
    for name in "ab":
        fleet.probe(name)
    (first, second) = (balancer for balancer, _, _ in fleet.workers)
    fleet.now = 0.2
    serve(first, 6, 0.2)
    serve(second, 6, 0.2)
    fleet.report(first)
    fleet.report(second)

    (ejection,) = fleet.ejections()
    assert ejection.reason == "2 requests failed in a row; ejected for 3.0 s"
    fleet.now = 3.0
    fleet.probe("a")
    fleet.tick(3.3)
    assert [one.backends[0].state for one in (first, second, fleet.core)] == [State.UP] * 3


def test_a_newcomer_serves_the_rest_of_a_long_sentence_and_not_one_of_its_own() -> None:
    fleet = Fleet(workers=1)
    fleet.add("a", "b")
    for name in "ab":
        fleet.probe(name)
    worker = fleet.workers[0][0]
    for begin in (1.0, 5.0):  # for 3 s, then for 6 s
        fleet.now = begin
        serve(worker, 6, begin)
        fleet.report(worker)
        fleet.now = begin + 3.1
        fleet.probe("a")
        fleet.tick(fleet.now)
    newcomer = fleet.hire()

    for now, expected in ((10.9, State.EJECTED), (11.1, State.UP)):
        fleet.tick(now)
        assert [one.backends[0].state for one in (fleet.core, worker, newcomer)] == [expected] * 3


def test_two_workers_together_eject_no_more_than_one_may() -> None:
    """Each takes out another backend of two, before it hears of the other one's; half of them may go."""
    fleet = Fleet()
    fleet.add("a", "b")
    for name in "ab":
        fleet.probe(name)
    (first, second) = (balancer for balancer, _, _ in fleet.workers)
    fleet.now = 0.2
    serve(first, 6, 0.2)
    serve(second, 6, 0.2, bad="b")
    assert [one.state for one in second.backends] == [State.UP, State.EJECTED]
    fleet.report(first)
    fleet.report(second)

    for balancer in (first, second, fleet.core):
        assert [one.state for one in balancer.backends] == [State.EJECTED, State.UP]
    assert [ejection.backend for ejection in fleet.ejections()] == ["a"]


def test_a_firm_suspicion_is_passed_on_so_that_an_old_connection_proves_nothing() -> None:
    fleet = Fleet()
    fleet.add("a", "b")
    for name in "ab":
        fleet.probe(name)
    (first, _, events), (second, follower, _) = fleet.workers
    under_way = second.next(second.admit("GET", 0.1), 0.1)
    assert isinstance(under_way, Attempt)
    second.sent(under_way, 0.1)
    step = first.next(first.admit("GET", 0.2), 0.2)
    assert isinstance(step, Attempt)
    assert step.backend.id == under_way.backend.id
    first.failed(step, Failure.REFUSED, 0.2)
    (suspected,) = [event for event in events if isinstance(event, Suspected)]
    assert suspected.firm

    fleet.now = 0.3
    follower.do(BalancerCall("suspect", (suspected.backend, suspected.reason, suspected.firm)))
    second.answered(under_way, 200, 0.4)

    assert under_way.backend.suspected


@pytest.mark.parametrize(
    "told",
    [
        BalancerCall("remove", ("x",)),
        BalancerCall("set_weight", ("x", 1.0)),
        BalancerCall("probed", ("x", "", 0.1, "", False)),
        BalancerCall("eject", ("x", "r")),
    ],
)
def test_news_of_a_backend_that_has_left_are_no_error(told: BalancerCall) -> None:
    fleet = Fleet(workers=1)
    fleet.workers[0][1].do(told)


def test_events_and_configurations_survive_the_way() -> None:
    event = AttemptFailed(1.0, "a", "reset", "GET", True, "idempotent")
    config = Config(
        discovery=StaticDiscovery(kind="static"), admin={"token": "a-token-of-enough-length"}, listen=Address("h", 1)
    )

    assert pickle.loads(pickle.dumps(event)) == event
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.admin.token.get_secret_value() == "a-token-of-enough-length"


def test_what_counts_for_all_is_shared() -> None:
    config = Config.model_validate(
        {
            "discovery": {"kind": "static"},
            "admission": {"max_in_flight": 5, "max_queue": 0},
            "limits": {"connections": 1001},
            "retry": {"budget_min_per_s": 3},
        }
    )

    settings = settings_of(config, 2)
    assert (settings.admission.max_in_flight, settings.admission.max_queue) == (3, 0)
    assert settings.retry.budget_min_per_s == 1.5
    assert divide_limits(config, 2).limits.connections == 501
