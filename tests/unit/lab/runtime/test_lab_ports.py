from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import BadArgumentsError, EnvironmentProblemError
from lab.runtime import ports


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that count as taken."""
    numbers: set[int] = set()
    monkeypatch.setattr(ports, "is_free", lambda port, host=ports.LOOPBACK: port not in numbers)
    return numbers


@pytest.fixture
def leases(tmp_path: Path) -> ports.Leases:
    return ports.Leases(tmp_path / "lock")


def held_by_another_process(path: Path, port: int) -> subprocess.Popen[str]:
    """A process that leases the port, says so, and holds it until its stdin ends."""
    code = (
        "import sys; from pathlib import Path; from lab.runtime.ports import Leases; "
        f"print(Leases(Path({str(path)!r})).take({port}), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_the_default_is_taken_when_it_is_free(taken: set[int], leases: ports.Leases) -> None:
    assert ports.choose(ports.TRAFFIC, iter([20001]), {}, leases) == ports.Choice(8080)


def test_a_leased_default_moves_although_nobody_listens_there(taken: set[int], leases: ports.Leases) -> None:
    assert leases.take(8080)
    assert ports.choose(ports.TRAFFIC, iter([20001]), {}, leases).port == 20001


def test_a_port_that_was_asked_for_may_be_leased_by_who_asks(taken: set[int], leases: ports.Leases) -> None:
    assert leases.take(9090)
    assert ports.choose(ports.TRAFFIC, iter([]), {"REROUTE_LB_PORT": "9090"}, leases).port == 9090


def test_a_lease_is_exclusive_among_processes_and_ends_with_its_process(leases: ports.Leases) -> None:
    with held_by_another_process(leases.path, 20007) as other:
        assert not leases.take(20007)
        assert leases.take(20008)
        assert not leases.take(20008)
        leases.release(20008)
        assert leases.take(20008)
    assert other.returncode == 0
    assert leases.take(20007)


def test_a_lease_of_another_process_is_passed_over(taken: set[int], leases: ports.Leases) -> None:
    with held_by_another_process(leases.path, 20001):
        found = ports.free_ports(random.Random(7), range(20000, 20003), leases)
        assert {next(found), next(found)} == {20000, 20002}
        with pytest.raises(EnvironmentProblemError, match="no free port"):
            next(found)


def test_a_lock_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentProblemError, match=r"link cannot be opened"):
        ports.Leases(tmp_path / "link").take(20000)


def test_a_taken_default_moves_and_says_so(taken: set[int], leases: ports.Leases) -> None:
    taken.add(8080)
    choice = ports.choose(ports.TRAFFIC, iter([20001]), {}, leases)
    assert leases.take(8080), "the lease of a port that cannot be had is given back"
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


def test_spare_ports_are_distinct_free_and_below_the_outgoing_range(taken: set[int], leases: ports.Leases) -> None:
    taken.update(range(20000, 30000))
    found = list(zip(range(500), ports.free_ports(random.Random(7), leases=leases), strict=False))
    numbers = [port for _, port in found]
    assert len(set(numbers)) == 500
    assert all(30000 <= port < 32000 for port in numbers)


def test_no_spare_port_left_is_said(taken: set[int], leases: ports.Leases) -> None:
    taken.update(ports.PICK_FROM)
    with pytest.raises(EnvironmentProblemError, match="no free port"):
        next(ports.free_ports(leases=leases))
