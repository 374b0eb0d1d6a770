from __future__ import annotations

import random

import pytest

from lab.errors import BadArgumentsError, EnvironmentProblemError
from lab.runtime import ports


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that count as taken."""
    numbers: set[int] = set()
    monkeypatch.setattr(ports, "is_free", lambda port, host=ports.LOOPBACK: port not in numbers)
    return numbers


def test_the_default_is_taken_when_it_is_free(taken: set[int]) -> None:
    assert ports.choose(ports.TRAFFIC, iter([20001]), {}) == ports.Choice(8080)


def test_a_taken_default_moves_and_says_so(taken: set[int]) -> None:
    taken.add(8080)
    choice = ports.choose(ports.TRAFFIC, iter([20001]), {})
    assert choice.port == 20001
    assert "8080" in choice.notice
    assert "20001" in choice.notice


def test_a_port_that_was_asked_for_does_not_move(taken: set[int]) -> None:
    taken.add(9090)
    with pytest.raises(EnvironmentProblemError, match=r"9090 .*REROUTE_ADMIN_PORT.* in use"):
        ports.choose(ports.ADMIN, iter([20001]), {"REROUTE_ADMIN_PORT": "9090"})


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "80 80", "٣"])
def test_what_is_no_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadArgumentsError, match="REROUTE_LB_PORT") as refused:
        ports.wanted(ports.TRAFFIC, {"REROUTE_LB_PORT": text})
    assert "8080" in refused.value.next_step


def test_an_empty_variable_is_an_unset_one() -> None:
    assert ports.wanted(ports.CHAOS, {"REROUTE_CHAOS_PORT": " "}) == 8082


def test_spare_ports_are_distinct_free_and_below_the_outgoing_range(taken: set[int]) -> None:
    taken.update(range(20000, 30000))
    found = list(zip(range(500), ports.free_ports(random.Random(7)), strict=False))
    numbers = [port for _, port in found]
    assert len(set(numbers)) == 500
    assert all(30000 <= port < 32000 for port in numbers)


def test_no_spare_port_left_is_said(taken: set[int]) -> None:
    taken.update(ports.PICK_FROM)
    with pytest.raises(EnvironmentProblemError, match="no free port"):
        next(ports.free_ports())
