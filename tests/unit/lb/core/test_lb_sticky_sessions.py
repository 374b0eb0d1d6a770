from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.backend import State
from lb.core.exchange import Attempt, Failure
from lb.core.sticky_sessions import MAX_VERIFIED_COOKIES, StickyCookie
from tests.support.balancing import World

COOKIE = StickyCookie("lb", [b"new", b"old"])


def start_pinned(world: World, backend_id: str) -> Attempt:
    exchange = world.balancer.admit("GET", world.now, pinned_to=backend_id)
    return world.start(exchange)


@given(st.text(min_size=1, alphabet=st.characters(exclude_characters=";", exclude_categories=["Cs", "Cc", "Z"])))
def test_what_was_issued_is_read_back(backend_id: str) -> None:
    value = COOKIE.issue(backend_id)
    assert COOKIE.read(value) == backend_id
    assert COOKIE.find(f"theme=dark; lb={value}; lang=en") == backend_id


@given(st.text())
def test_what_nobody_signed_pins_to_nothing(value: str) -> None:
    assert COOKIE.read(value) == ""
    assert COOKIE.find(value) == ""


def test_another_backends_name_does_not_fit_the_signature() -> None:
    value = COOKIE.issue("api-1")
    assert COOKIE.read(value.replace("api-1", "api-2")) == ""


def test_a_cookie_of_another_name_does_not_count_under_ours() -> None:
    other = StickyCookie("other", [b"new"]).issue("api-1")
    assert COOKIE.read(other) == ""


def test_a_forged_twin_in_front_does_not_hide_the_real_one() -> None:
    value = COOKIE.issue("api-1")
    assert COOKIE.find(f"lb=api-2.AAAA; lb={value}") == "api-1"


def test_of_many_cookies_only_a_few_are_verified() -> None:
    value = COOKIE.issue("api-1")
    assert COOKIE.find("lb=x.AAAA; " * (MAX_VERIFIED_COOKIES - 1) + f"lb={value}") == "api-1"
    assert COOKIE.find("lb=x.AAAA; " * MAX_VERIFIED_COOKIES + f"lb={value}") == ""


def test_secrets_rotate_without_losing_a_session() -> None:
    backend = "api-1"
    before, during, after = (StickyCookie("lb", secrets) for secrets in ([b"1"], [b"2", b"1"], [b"2"]))
    assert during.read(before.issue(backend)) == "api-1"
    assert after.read(during.issue(backend)) == "api-1"
    assert after.read(before.issue(backend)) == ""


@pytest.mark.parametrize("secrets", [[], [b""], [b"new", b""]])
def test_without_a_secret_there_is_no_cookie(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="secret"):
        StickyCookie("lb", secrets)


def test_a_pinned_client_goes_to_its_backend() -> None:
    world = World()
    assert {start_pinned(world, "api-2").backend.id for _ in range(6)} == {"api-2"}


def test_it_still_does_while_the_backend_drains() -> None:
    world = World()
    world.balancer.set_state("api-2", State.DRAIN, world.now)
    assert start_pinned(world, "api-2").backend.id == "api-2"
    assert "api-2" not in {world.start().backend.id for _ in range(6)}


def test_it_goes_elsewhere_when_the_backend_is_in_maintenance() -> None:
    world = World()
    world.balancer.set_state("api-2", State.MAINT, world.now)
    assert start_pinned(world, "api-2").backend.id != "api-2"


def test_it_goes_elsewhere_when_the_backend_is_down() -> None:
    world = World()
    for _ in range(2):
        world.balancer.probed(world.backend("api-2"), "timeout", 0.4, world.now)
    assert start_pinned(world, "api-2").backend.id != "api-2"


def test_it_goes_elsewhere_when_the_backend_stalls() -> None:
    world = World()
    world.backend("api-2").suspected = True
    assert start_pinned(world, "api-2").backend.id != "api-2"


def test_it_goes_elsewhere_when_the_backend_is_unknown() -> None:
    assert start_pinned(World(), "api-9").backend.id in {"api-1", "api-2", "api-3"}


def test_a_retry_leaves_the_pinned_backend() -> None:
    world = World()
    first = start_pinned(world, "api-2")
    assert world.balancer.failed(first, Failure.RESET, world.now)
    assert world.start(first.exchange).backend.id != "api-2"


# --- whether the cookie is renewed ---


def pin_after(world: World, pinned_to: str, answering: str) -> str:
    exchange = world.balancer.admit("GET", world.now, pinned_to=pinned_to)
    return world.balancer.new_pin(exchange, world.backend(answering))


def test_the_first_answer_pins() -> None:
    assert pin_after(World(), "", "api-2") == "api-2"


def test_a_pin_that_stands_is_not_renewed_whoever_answered() -> None:
    world = World()
    world.backend("api-1").suspected = True
    assert pin_after(world, "api-1", "api-1") == ""
    assert pin_after(world, "api-1", "api-2") == "", "a hedge or a moment's suspicion must not cost the session"


def test_a_pin_moves_when_its_backend_is_down_or_unheard_of() -> None:
    world = World()
    for _ in range(2):
        world.balancer.probed(world.backend("api-1"), "timeout", 0.4, world.now)
    assert pin_after(world, "api-1", "api-2") == "api-2"
    assert pin_after(world, "api-9", "api-2") == "api-2"


def test_drained_by_the_operator_it_stands_and_removed_it_does_not() -> None:
    """Both are in DRAIN, but sessions do not stay on a backend that was removed."""
    world = World()
    holding = start_pinned(world, "api-1"), start_pinned(world, "api-2")
    world.balancer.set_state("api-1", State.DRAIN, world.now)
    world.balancer.remove("api-2", world.now)
    assert {attempt.backend.state for attempt in holding} == {State.DRAIN}

    assert start_pinned(world, "api-1").backend.id == "api-1"
    assert pin_after(world, "api-1", "api-3") == ""
    assert start_pinned(world, "api-2").backend.id == "api-3"
    assert pin_after(world, "api-2", "api-3") == "api-3"


def test_a_draining_backend_that_died_holds_nobody() -> None:
    world = World()
    world.balancer.set_state("api-1", State.DRAIN, world.now)
    world.balancer.probed(world.backend("api-1"), "refused", 0.001, world.now)
    assert start_pinned(world, "api-1").backend.id != "api-1"
    assert pin_after(world, "api-1", "api-3") == "api-3"


def test_nobody_is_pinned_to_a_backend_on_its_way_out() -> None:
    world = World()
    world.balancer.set_state("api-1", State.DRAIN, world.now)
    assert pin_after(world, "", "api-1") == ""
