"""Stories of backends that fail and come back, on a fake clock: 3 backends, 200 requests/s, probes every 500 ms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from lb.core.backend import Backend, State
from lb.core.events import Added, Cleared, Event, PanicChanged, Probed, ProbeWanted, Removed, Suspected, Transition
from lb.core.exchange import Attempt, Exchange, Failure
from lb.core.registry import Registry
from lb.core.settings import HealthSettings, PassiveSettings, Settings
from tests.support.core_sim import BLACK_HOLE, DEAD, FAILING, LYING, OK, PAUSED, UNHEALTHY, Behaviour, World


def warm_world(settings: Settings | None = None, size: int = 3) -> World:
    """Every backend UP and with a latency known, just before a fault."""
    world = World(settings or Settings(), size=size)
    world.run(2.0)
    assert all(backend.state is State.UP for backend in world.backends)
    return world


class Desk:
    """A registry without a world, for single moments."""

    def __init__(self, settings: Settings | None = None, size: int = 3) -> None:
        self.events: list[Event] = []
        self.registry = Registry(settings or Settings(), Random(1), self.events.append)
        self.backends = [self.registry.insert(f"api-{n}", "h", n, 0.0) for n in range(size)]
        for backend in self.backends:
            self.registry.probed(backend, "", 0.002, 0.0)

    def attempt(self, backend: Backend, now: float, *, sent: bool = True) -> Attempt:
        attempt = Attempt(Exchange("GET", True, now, now + 5.0), backend, now)
        self.registry.attempt_started(attempt)
        if sent:
            self.registry.attempt_sent(attempt, now)
        return attempt

    def answer(self, backend: Backend, now: float, status: int = 200) -> None:
        attempt = self.attempt(backend, now)
        self.registry.attempt_answered(attempt, status, now + 0.002)
        self.registry.attempt_completed(attempt, now + 0.002)

    def fail(self, backend: Backend, failure: Failure, now: float) -> None:
        self.registry.attempt_failed(self.attempt(backend, now, sent=False), failure, now)


# --- detection of a hang by traffic ---
def test_a_paused_backend_is_avoided_long_before_the_next_probe() -> None:
    world = warm_world()
    paused_at = world.now
    world.become(world.backends[0], PAUSED)
    world.run(3.0)

    # 15 ms to its next request, 2 + 50 ms until that is unexplained, 10 ms of tick; 150 ms is the target.
    assert world.last_pick(world.backends[0]) - paused_at <= 0.1
    assert world.backends[0].state is State.DOWN
    (down,) = world.transitions(world.backends[0])[1:]
    assert down.reason == "2 probes failed in a row: timeout after 400 ms"


def test_the_resumed_backend_comes_back() -> None:
    world = warm_world()
    world.become(world.backends[0], PAUSED)
    world.run(5.0)
    world.become(world.backends[0], OK)
    world.run(2.0)
    assert world.backends[0].state is State.UP
    assert not world.backends[0].suspected
    assert world.now - world.last_pick(world.backends[0]) < 0.1


def test_one_probe_is_asked_for_at_once_not_one_for_each_stalled_request() -> None:
    world = warm_world()
    world.become(world.backends[0], PAUSED)
    world.run(0.3)
    assert len(world.seen(ProbeWanted, world.backends[0])) == 1
    assert len(world.seen(Suspected, world.backends[0])) == 1


def test_a_delay_shorter_than_the_time_outs_takes_nobody_out_for_good() -> None:
    world = warm_world()
    slow = world.backends[0]
    world.become(slow, Behaviour(answers_after=0.3))
    world.run(10.0)

    assert slow.state is State.UP
    assert len(world.transitions(slow)) == 1
    # The first slow responses cause suspicion; the latency learned from them must prevent further suspicion.
    assert len(world.seen(Suspected, slow)) <= 2
    assert not slow.suspected


def test_a_slow_backend_that_then_pauses_is_still_avoided_within_the_bound() -> None:
    world = warm_world()
    world.become(world.backends[0], Behaviour(answers_after=0.3))
    world.run(10.0)
    paused_at = world.now
    world.become(world.backends[0], PAUSED)
    world.run(5.0)
    assert world.last_pick(world.backends[0]) - paused_at <= 0.89


def test_suspicion_of_all_is_suspicion_of_none() -> None:
    world = warm_world()
    for backend in world.backends:
        world.become(backend, PAUSED)
    world.run(0.3)
    assert all(backend.suspected for backend in world.backends)
    assert world.registry.usable == tuple(world.backends)


def test_an_answer_ends_suspicion_and_explains_those_who_still_wait() -> None:
    desk = Desk()
    backend = desk.backends[0]
    desk.answer(backend, 0.1)
    first = desk.attempt(backend, 1.0)
    desk.attempt(backend, 1.001)  # will never be answered: a request that is hard, or lost
    desk.registry.tick(1.0)
    for n in range(1, 10):
        desk.registry.tick(1.0 + n * 0.01)
    assert backend.suspected
    assert backend not in desk.registry.usable

    desk.registry.attempt_answered(first, 200, 1.1)
    assert not backend.suspected
    assert backend in desk.registry.usable
    for n in range(11, 200):
        desk.registry.tick(1.0 + n * 0.01)
    assert not backend.suspected
    assert len([e for e in desk.events if isinstance(e, Suspected)]) == 1
    assert len([e for e in desk.events if isinstance(e, Cleared)]) == 1


def test_the_balancers_own_pause_is_blamed_on_nobody() -> None:
    desk = Desk()
    desk.answer(desk.backends[0], 0.1)
    desk.registry.tick(1.0)
    desk.attempt(desk.backends[0], 1.001)
    desk.registry.tick(4.0)
    assert not desk.backends[0].suspected
    for n in range(1, 8):
        desk.registry.tick(4.0 + n * 0.01)
    assert desk.backends[0].suspected, "the clock starts again after the gap, it does not stop"


def test_work_that_takes_longer_than_the_ceiling_brings_probes_but_no_suspicion() -> None:
    world = World(gap=0.05)
    for backend in world.backends:
        world.become(backend, Behaviour(answers_after=0.4 - 1e-6))
        backend.latency_mean = 0.4
    world.run(5.0)
    assert not any(world.seen(Suspected, backend) for backend in world.backends)


# --- detection of a crash by traffic ---
def test_a_refused_connection_takes_the_backend_out_at_once() -> None:
    desk = Desk()
    desk.fail(desk.backends[0], Failure.REFUSED, 1.0)
    assert desk.registry.usable == tuple(desk.backends[1:])
    assert [e.reason for e in desk.events if isinstance(e, ProbeWanted)] == ["a request failed: refused"]


def test_answers_on_old_connections_do_not_make_it_reachable() -> None:
    desk = Desk()
    old = desk.attempt(desk.backends[0], 0.9)
    desk.fail(desk.backends[0], Failure.REFUSED, 1.0)
    desk.registry.attempt_answered(old, 200, 1.01)
    assert desk.backends[0].suspected
    desk.registry.probed(desk.backends[0], "", 0.002, 1.02)
    assert not desk.backends[0].suspected


def test_a_reset_and_a_failed_probe_are_two_witnesses() -> None:
    desk = Desk()
    desk.fail(desk.backends[0], Failure.RESET, 1.0)
    assert not desk.backends[0].suspected  # a keep-alive race, perhaps
    desk.registry.probed(desk.backends[0], "refused", 0.001, 1.01)
    assert desk.backends[0].suspected


def test_a_probe_failure_alone_is_one_witness() -> None:
    desk = Desk()
    desk.registry.probed(desk.backends[0], "timeout", 0.4, 1.0)
    assert not desk.backends[0].suspected


def test_a_killed_backend_reroutes_at_once_and_returns_without_serving_an_ejection() -> None:
    world = warm_world()
    killed_at = world.now
    world.become(world.backends[0], DEAD)
    world.run(1.0)
    assert world.last_pick(world.backends[0]) - killed_at <= 0.02
    world.become(world.backends[0], OK)
    healed_at = world.now
    world.run(2.0)
    states = [t.new for t in world.transitions(world.backends[0])]
    assert states == [State.UP, State.DOWN, State.UP]
    # Down for a second: asked every 0.11 s at most, and once more after the first pass.
    assert world.transitions(world.backends[0])[-1].at - healed_at <= 0.25


def test_connections_cut_all_at_once_are_for_probes_to_judge() -> None:
    desk = Desk()
    cut = [desk.attempt(desk.backends[0], 1.0) for _ in range(20)]
    for attempt in cut:
        desk.registry.attempt_failed(attempt, Failure.RESET, 1.001)
    assert desk.backends[0].state is State.UP
    assert desk.backends[0].suspected
    assert desk.backends[0].in_flight == 0
    for n in range(2):
        desk.registry.probed(desk.backends[0], "refused", 0.0, 1.1 + n / 10)
    assert desk.backends[0].state is State.DOWN


def test_resets_that_probes_contradict_are_an_ejection() -> None:
    desk = Desk()
    for n in range(6):
        desk.answer(desk.backends[1], 1.0 + n)
        desk.fail(desk.backends[0], Failure.RESET, 1.0 + n)
        desk.registry.probed(desk.backends[0], "", 0.002, 1.1 + n)
    assert desk.backends[0].state is State.EJECTED


# --- failing health checks ---
def test_a_health_check_that_says_no_is_believed_at_once_and_counted_all_the_same() -> None:
    world = warm_world()
    leaving, began = world.backends[0], world.now
    world.become(leaving, UNHEALTHY)
    world.run(1.0)

    declined = next(e.at for e in world.events if isinstance(e, Probed) and not e.passed)
    assert world.last_pick(leaving) <= declined
    assert declined - began <= 0.55
    (down,) = [t for t in world.transitions(leaving) if t.new is State.DOWN]
    assert down.reason == "2 probes failed in a row: status 503 after 2 ms"
    assert 0.1 <= down.at - declined <= 0.13


def test_good_answers_do_not_outweigh_a_health_check_that_says_no() -> None:
    desk = Desk()
    leaving = desk.backends[0]
    under_way = desk.attempt(leaving, 1.0)
    desk.registry.probed(leaving, "status 503", 0.002, 1.1, unhealthy_response=True)
    desk.registry.attempt_answered(under_way, 200, 1.2)
    assert leaving.suspected
    desk.registry.probed(leaving, "", 0.002, 1.3)
    assert not leaving.suspected
    assert leaving.state is State.UP


def test_one_probe_that_fails_without_an_answer_is_not_believed() -> None:
    desk = Desk()
    desk.registry.probed(desk.backends[0], "timeout", 0.4, 1.0)
    assert not desk.backends[0].suspected


def test_backends_that_all_say_no_are_all_used_until_they_are_down() -> None:
    """A short failure of a shared dependency must not take all backends out: `fall` decides then."""
    desk = Desk()
    for backend in desk.backends:
        desk.registry.probed(backend, "status 503", 0.002, 1.0, unhealthy_response=True)
    assert desk.registry.usable == tuple(desk.backends)


def test_a_request_answered_with_an_error_asks_for_a_probe_which_finds_a_backend_that_fails_altogether() -> None:
    world = warm_world()
    failing, began = world.backends[0], world.now
    world.become(failing, FAILING)
    world.run(1.0)

    assert world.last_pick(failing) - began <= 0.02
    assert [t.new for t in world.transitions(failing)] == [State.UP, State.DOWN]


def test_errors_behind_a_green_check_ask_for_probes_no_faster_than_the_fast_interval() -> None:
    desk = Desk()
    for n in range(100):
        desk.answer(desk.backends[0], 1.0 + n / 100, 500 if n % 4 == 0 else 200)
    asked = [event.at for event in desk.events if isinstance(event, ProbeWanted)]
    assert 5 <= len(asked) <= 10
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(asked))


# --- probes pass and requests fail ---
def test_a_liar_is_ejected_within_ten_requests_and_probed_back() -> None:
    world = warm_world()
    liar = world.backends[0]
    before = len(world.picked[liar.id])
    world.become(liar, LYING)
    world.run(1.0)

    assert liar.state is State.EJECTED
    assert len(world.picked[liar.id]) - before <= 10
    assert world.transitions(liar)[-1].reason == "5 requests failed in a row; ejected for 3.0 s"

    world.become(liar, OK)
    world.run(3.0)
    assert liar.state is State.UP
    assert world.transitions(liar)[-1].reason == "ejection over, probes pass"


def test_the_second_ejection_lasts_longer() -> None:
    world = warm_world()
    world.become(world.backends[0], LYING)
    world.run(8.0)
    out = [t for t in world.transitions(world.backends[0]) if t.new is State.EJECTED]
    back = [t for t in world.transitions(world.backends[0]) if t.old is State.EJECTED]
    assert len(out) == 2
    assert back[0].at - out[0].at == pytest.approx(3.0, abs=0.011)
    assert world.backends[0].state is State.EJECTED
    world.run(3.0)
    assert len(world.transitions(world.backends[0])) > 4


def test_when_all_backends_lie_none_is_ejected() -> None:
    world = warm_world()
    for backend in world.backends:
        world.become(backend, LYING)
    world.run(3.0)
    assert {backend.state for backend in world.backends} == {State.UP}


def test_no_more_than_the_allowed_share_is_ejected() -> None:
    world = warm_world(size=5)
    for backend in world.backends[:4]:
        world.become(backend, LYING)
    world.run(1.0)
    assert sum(backend.state is State.EJECTED for backend in world.backends) <= 2


def test_an_ejected_backend_whose_probes_fail_goes_down() -> None:
    world = warm_world()
    world.become(world.backends[0], LYING)
    world.run(0.5)
    assert world.backends[0].state is State.EJECTED
    world.become(world.backends[0], UNHEALTHY)
    world.run(1.0)
    assert world.backends[0].state is State.DOWN


def test_work_that_hangs_behind_green_probes_is_an_ejection_in_the_end() -> None:
    world = warm_world()
    began = world.now
    world.become(world.backends[0], Behaviour(works=False))
    world.run(4.0)
    ejected = [t.at for t in world.transitions(world.backends[0]) if t.new is State.EJECTED]
    # Each suspicion is cleared by the next probe, and the first one resets the history: so it takes the time-outs
    # (1 s) of five requests from after that, which arrive in the moments between two suspicions.
    assert ejected
    assert ejected[0] - began <= 2.0


def test_failures_from_before_the_fault_ended_are_no_news() -> None:
    desk = Desk()
    backend = desk.backends[0]
    before = [desk.attempt(backend, 1.0, sent=False) for _ in range(10)]
    desk.fail(backend, Failure.CONNECT_TIMEOUT, 1.1)
    desk.registry.probed(backend, "", 0.002, 1.2)
    for attempt in before:
        desk.registry.attempt_failed(attempt, Failure.CONNECT_TIMEOUT, 1.25)
    assert backend.state is State.UP
    assert not backend.suspected


def test_a_gateway_answer_counts_once() -> None:
    desk = Desk()
    for n in range(3):
        desk.answer(desk.backends[1], 1.0)
        attempt = desk.attempt(desk.backends[0], 1.0 + n)
        desk.registry.attempt_answered(attempt, 503, 1.01 + n)
        desk.registry.attempt_failed(attempt, Failure.GATEWAY, 1.01 + n)
    assert desk.backends[0].state is State.UP  # three, not six
    assert desk.backends[0].in_flight == 0


def test_a_latency_outlier_is_ejected_where_that_is_wanted() -> None:
    settings = Settings(passive=PassiveSettings(latency_factor=3.0))
    world = warm_world(settings)
    world.become(world.backends[0], Behaviour(answers_after=0.35))
    world.run(5.0)
    assert State.EJECTED in [t.new for t in world.transitions(world.backends[0])]


# --- flapping ---
def test_a_backend_that_flaps_is_held_down_for_longer_and_longer() -> None:
    world = World(gap=0.0)
    flapper = world.backends[0]
    world.run(1.0)
    spells = []
    for _ in range(7):  # it falls as soon as it is back
        world.become(flapper, DEAD)
        world.run(1.0)
        fell_at = world.now
        world.become(flapper, OK)
        while flapper.state is not State.UP:
            world.run(0.1)
            assert world.now < 60.0
        spells.append(world.now - fell_at)
    # Four falls cause no hold-down (an interval and a fast one), then 1, 2, 4 s less the second of the fault; the next
    # probe after the hold readmits. A short time UP reduces the count a little.
    assert max(spells[:4]) <= 0.8
    assert spells[4] < spells[5] < spells[6]
    assert 2.0 <= spells[6] <= 4.0


def test_the_operators_up_forgets_falls_and_keeps_up_who_is() -> None:
    def readmitted_after(reset: bool) -> float:
        world = World(gap=0.0)
        flapper = world.backends[0]
        world.run(1.0)
        for _ in range(6):
            if reset:
                world.registry.set_state(flapper.id, State.UP, world.now)
                assert flapper.state is State.UP
            world.become(flapper, DEAD)
            world.run(1.0)
            fell_at = world.now
            world.become(flapper, OK)
            while flapper.state is not State.UP:
                world.run(0.1)
        return world.now - fell_at

    assert readmitted_after(reset=True) <= 0.8
    assert readmitted_after(reset=False) > 0.8


# --- membership ---
def test_a_new_backend_is_not_used_before_its_first_pass() -> None:
    world = warm_world()
    late = world.registry.insert("api-9", "h", 9, world.now)
    assert late not in world.registry.usable
    world.registry.probed(late, "", 0.002, world.now, name="replica-9")
    assert world.registry.usable == (*world.backends, late)
    assert late.name == "replica-9"
    assert late.last_probe is not None
    assert late.last_probe.passed


def test_before_any_verdict_there_is_nobody_to_use_and_no_panic() -> None:
    registry = Registry(Settings(), Random(1), lambda event: None)
    registry.insert("api-1", "h", 1, 0.0)
    assert registry.usable == ()
    assert not registry.panic


def test_a_removed_backend_finishes_its_work_and_leaves() -> None:
    desk = Desk()
    leaving = desk.backends[0]
    attempt = desk.attempt(leaving, 1.0)
    desk.registry.remove("api-0", 1.1)
    assert leaving.state is State.DRAIN
    assert leaving not in desk.registry.usable
    assert leaving in desk.registry.backends

    desk.registry.attempt_answered(attempt, 200, 1.2)
    desk.registry.attempt_completed(attempt, 1.3)
    assert leaving not in desk.registry.backends
    assert isinstance(desk.events[-1], Removed)
    assert desk.registry.probed(leaving, "", 0.002, 1.4) == desk.registry._settings.health.interval


def test_an_idle_backend_leaves_at_once() -> None:
    desk = Desk()
    desk.registry.remove("api-0", 1.0)
    assert desk.registry.get("api-0") is None
    with pytest.raises(KeyError):
        desk.registry.remove("api-0", 1.0)


def test_one_that_drains_out_is_taken_back_as_unknown() -> None:
    desk = Desk()
    attempt = desk.attempt(desk.backends[0], 1.0)
    desk.registry.remove("api-0", 1.1)
    assert desk.registry.insert("api-0", "h", 0, 1.2) is desk.backends[0]
    assert desk.backends[0].state is State.UNKNOWN
    desk.registry.attempt_cancelled(attempt, 1.3)
    assert desk.backends[0] in desk.registry.backends


def test_the_same_id_at_another_address_is_another_backend() -> None:
    desk = Desk()
    desk.attempt(desk.backends[0], 1.0)
    moved = desk.registry.insert("api-0", "elsewhere", 0, 1.1)
    assert moved is not desk.backends[0]
    assert desk.registry.get("api-0") is moved
    assert desk.backends[0].state is State.DRAIN
    assert len([e for e in desk.events if isinstance(e, Added)]) == 4


def test_of_two_that_leave_under_one_id_each_goes_when_it_is_idle() -> None:
    desk = Desk(size=1)
    first = desk.backends[0]
    held = [desk.attempt(first, 1.0)]
    second = desk.registry.insert("api-0", "elsewhere", 0, 1.1)
    held.append(desk.attempt(second, 1.2))
    desk.registry.remove("api-0", 1.3)
    assert desk.registry.get("api-0") is second
    desk.registry.attempt_cancelled(held[1], 1.4)
    assert desk.registry.backends == (first,)
    desk.registry.attempt_cancelled(held[0], 1.5)
    assert desk.registry.backends == ()


def test_the_operator_drains_maintains_and_resumes() -> None:
    desk = Desk()
    for state in (State.DRAIN, State.MAINT):
        desk.registry.set_state("api-0", state, 1.0)
        assert desk.backends[0].state is state
        desk.registry.probed(desk.backends[0], "", 0.002, 1.1)
        assert desk.backends[0] not in desk.registry.usable
    desk.registry.set_state("api-0", State.UP, 2.0)
    assert desk.backends[0].state is State.UNKNOWN
    desk.registry.probed(desk.backends[0], "", 0.002, 2.1)
    assert desk.backends[0] in desk.registry.usable
    with pytest.raises(ValueError, match="drain"):
        desk.registry.set_state("api-0", State.EJECTED, 3.0)


def test_the_snapshot_is_the_same_object_until_something_changes() -> None:
    world = warm_world()
    snapshot = world.registry.usable
    world.run(5.0)
    assert world.registry.usable is snapshot
    world.registry.set_weight("api-0", 3.0, world.now)
    assert world.registry.usable is not snapshot
    assert world.backends[0].effective_weight == 3.0


def test_weight_0_takes_nothing_new_whatever_the_policy_unless_nobody_else_is_up() -> None:
    world = warm_world()
    first, *others = world.backends
    world.registry.set_weight(first.id, 0.0, world.now)
    assert world.registry.usable == tuple(others)
    for other in others:
        world.registry.set_state(other.id, State.MAINT, world.now)
    assert world.registry.usable == (first,)


# --- panic ---
@pytest.mark.parametrize(("policy", "used"), [("open", 2), ("closed", 0)])
def test_without_a_usable_backend_the_panic_policy_decides(policy: str, used: int) -> None:
    world = warm_world(Settings(panic=policy))
    world.registry.set_state("api-2", State.MAINT, world.now)
    for backend in world.backends:
        world.become(backend, DEAD)
    world.run(2.0)
    assert world.registry.panic
    assert world.registry.usable == tuple(world.backends[:used])

    world.become(world.backends[0], OK)
    world.run(2.0)
    assert not world.registry.panic
    assert world.registry.usable == (world.backends[0],)
    assert [e.active for e in world.events if isinstance(e, PanicChanged)] == [True, False]


# --- slow start ---
def test_a_backend_that_comes_up_ramps() -> None:
    world = warm_world(Settings(slow_start=2.0))
    world.become(world.backends[0], DEAD)
    world.run(1.0)
    world.become(world.backends[0], OK)
    weights = []
    while world.backends[0].effective_weight < 1.0 or world.backends[0].state is not State.UP:
        world.run(0.05)
        if world.backends[0].state is State.UP:
            up_for = world.now - world.backends[0].since
            weights.append((up_for, world.backends[0].effective_weight))
        assert world.now < 10.0
    assert weights[0][1] <= 0.15
    assert all(weight <= 0.1 + 0.9 * up_for / 2.0 + 1e-9 for up_for, weight in weights[:-1])
    assert 1.9 <= weights[-1][0] <= 2.1


def test_a_load_report_scales_the_weight() -> None:
    desk = Desk()
    desk.backends[0].load_factor = 0.5
    desk.registry.set_weight("api-0", 2.0, 1.0)
    assert desk.backends[0].effective_weight == 1.0


# --- bookkeeping ---
def test_in_flight_and_waiting_follow_the_attempt() -> None:
    desk = Desk()
    backend = desk.backends[0]
    attempt = desk.attempt(backend, 1.0, sent=False)
    assert (backend.in_flight, len(backend.waiting)) == (1, 0)
    desk.registry.attempt_sent(attempt, 1.01)
    assert backend.waiting == {attempt: 1.01}
    desk.registry.attempt_answered(attempt, 200, 1.05)
    assert (backend.in_flight, len(backend.waiting)) == (1, 0)
    assert backend.latency_mean == pytest.approx(0.04)
    desk.registry.attempt_completed(attempt, 2.0)
    assert backend.in_flight == 0


def test_failing_fast_is_not_being_fast() -> None:
    desk = Desk()
    desk.answer(desk.backends[0], 1.0, status=500)
    assert desk.backends[0].latency_mean == 0.0


def test_every_transition_says_why() -> None:
    world = warm_world()
    world.become(world.backends[0], BLACK_HOLE)
    world.run(3.0)
    world.become(world.backends[0], OK)
    world.run(3.0)
    reasons = [e.reason for e in world.events if isinstance(e, Transition) and e.backend == "api-0"]
    assert reasons == [
        "1 probe passed",
        "2 probes failed in a row: timeout after 400 ms",
        "2 probes passed in a row",
    ]


def test_wanted_probes_keep_their_distance() -> None:
    desk = Desk(Settings(health=replace(HealthSettings(), fast_interval=0.1)))
    for n in range(100):  # each failure is contradicted by a pass: half a second of doubt after doubt
        now = 1.0 + n * 0.005
        desk.fail(desk.backends[0], Failure.RESET, now)
        desk.answer(desk.backends[0], now)
        desk.registry.tick(now)
    wanted = [e.at for e in desk.events if isinstance(e, ProbeWanted)]
    assert len(wanted) <= 6


def test_a_probe_is_asked_for_once_while_nothing_dispels_the_doubt() -> None:
    desk = Desk()
    desk.backends[0].latency_mean = 0.4  # so 250 ms are worth a probe, but no suspicion
    desk.attempt(desk.backends[0], 1.0)
    for n in range(44):
        desk.registry.tick(1.0 + n * 0.01)
    assert not desk.backends[0].suspected
    assert [e.reason for e in desk.events if isinstance(e, ProbeWanted)] == ["no first byte for 250 ms"]


def test_a_passed_probe_turns_the_wait_into_a_latency_sample() -> None:
    desk = Desk()
    backend = desk.backends[0]
    desk.answer(backend, 0.1)
    desk.attempt(backend, 1.0)
    for n in range(20):
        desk.registry.tick(1.0 + n * 0.01)
    assert backend.suspected
    desk.registry.probed(backend, "", 0.1, 1.3)  # the probe took 100 ms, the request has waited for 300
    assert backend.latency_mean == pytest.approx(0.002 + (0.3 - 0.002) / 8)


def test_a_wait_that_the_twin_ended_still_counts_as_slow() -> None:
    desk = Desk()
    backend = desk.backends[0]
    desk.answer(backend, 0.1)
    desk.registry.attempt_cancelled(desk.attempt(backend, 1.0), 1.2)
    assert backend.latency_mean > 0.02
    assert backend.in_flight == 0


def ejected_desk() -> Desk:
    desk = Desk()
    for _ in range(5):
        desk.answer(desk.backends[1], 1.0)
        desk.answer(desk.backends[0], 1.0, status=500)
    assert desk.backends[0].state is State.EJECTED
    return desk


def test_no_ejection_ends_before_a_probe_has_passed_since() -> None:
    desk = ejected_desk()
    desk.registry.tick(10.0)
    assert desk.backends[0].state is State.EJECTED
    desk.registry.probed(desk.backends[0], "", 0.002, 10.1)
    desk.registry.tick(10.2)
    assert desk.backends[0].state is State.UP


def test_no_ejection_ends_while_probes_are_failing() -> None:
    desk = ejected_desk()
    desk.registry.probed(desk.backends[0], "", 0.002, 2.0)
    desk.registry.probed(desk.backends[0], "timeout", 0.4, 9.9)
    desk.registry.tick(10.0)
    assert desk.backends[0].state is State.EJECTED


def test_what_a_dead_backend_did_is_no_excuse_for_the_living() -> None:
    desk = Desk()
    dead, flaky, good = desk.backends
    for n in range(20):
        desk.answer(good, 1.0)
        desk.fail(dead, Failure.RESET, 1.0 + n * 0.001)
    for _ in range(2):
        desk.registry.probed(dead, "refused", 0.0, 1.1)
    assert dead.state is State.DOWN
    for n in range(20):
        desk.answer(flaky, 2.0, status=500 if n % 2 else 200)
    assert flaky.state is State.EJECTED
