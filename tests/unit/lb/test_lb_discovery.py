from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lb.discovery import Change, DiscoveryError, Follower, Insert, Remove, diff
from lb.discovery.dns import DnsSource, SystemResolver, one_family
from lb.discovery.file import FileSource
from lb.discovery.member import Member

A, B, C = (Member(name, f"10.0.0.{number}", 8000) for number, name in enumerate("abc"))


def known(*members: Member) -> dict[str, Member]:
    return {member.id: member for member in members}


def test_arrivals_come_before_departures_so_that_a_replaced_set_is_never_empty() -> None:
    assert diff(known(A), [B]) == [Insert(B), Remove("a")]


def test_what_stays_is_not_mentioned() -> None:
    assert diff(known(A, B), [B, A]) == []


def test_a_backend_that_moved_is_inserted_again() -> None:
    moved = Member("a", "10.9.9.9", 8000)

    assert diff(known(A), [moved]) == [Insert(moved)]


class Script:
    """A source that answers what it was told to, one answer a reading."""

    interval = 1.0

    def __init__(self, *answers: Sequence[Member] | DiscoveryError) -> None:
        self._answers = list(answers)

    async def read(self) -> Sequence[Member]:
        answer = self._answers.pop(0)
        if isinstance(answer, DiscoveryError):
            raise answer
        return answer


async def follow(source: Script, steps: int) -> tuple[list[Change], list[str]]:
    changes: list[Change] = []
    complaints: list[str] = []
    follower = Follower(source, changes.append, complaints.append)
    for _ in range(steps):
        await follower.step()
    return changes, complaints


async def test_members_are_followed() -> None:
    changes, complaints = await follow(Script([A, B], [B, C], [A, B, C]), 3)

    assert changes == [Insert(A), Insert(B), Insert(C), Remove("a"), Insert(A)]
    assert complaints == []


async def test_a_failed_or_empty_answer_keeps_the_known_ones_and_is_told_once() -> None:
    down = DiscoveryError("api: no such name")
    changes, complaints = await follow(Script([A], down, down, [], [A], []), 6)

    assert changes == [Insert(A)]
    assert complaints == [
        "discovery: api: no such name; keeping the 1 known backends",
        "discovery: the source names no backend any more; keeping the 1 known backends",
    ]


async def test_an_empty_answer_at_the_start_is_nobodys_fault() -> None:
    assert await follow(Script([]), 1) == ([], [])


async def test_a_source_that_never_changes_is_read_once() -> None:
    source = Script([A])
    source.interval = 0.0

    await asyncio.wait_for(Follower(source, lambda _: None, lambda _: None).run(), 5)


async def test_others_are_read_again_after_their_interval() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Follower(Script([A], [A], [A]), lambda _: None, lambda _: None, sleep).run()

    assert waits == [1.0, 1.0, 1.0]


# --- dns ---


def test_a_replica_with_both_families_is_one_backend() -> None:
    assert one_family(["10.0.0.2", "fd00::2", "10.0.0.1", "10.0.0.2"]) == ["10.0.0.1", "10.0.0.2"]
    assert one_family(["fd00::2", "fd00::1"]) == ["fd00::1", "fd00::2"]


async def test_each_address_of_a_name_is_a_backend() -> None:
    async def resolve(name: str) -> Sequence[str]:
        return {"api": ["10.0.0.2", "10.0.0.1"], "api6": ["fd00::1"]}[name]

    assert await DnsSource("api", 8000, 1, 2, resolve).read() == [
        Member("10.0.0.1:8000", "10.0.0.1", 8000),
        Member("10.0.0.2:8000", "10.0.0.2", 8000),
    ]
    assert (await DnsSource("api6", 8000, 1, 2, resolve).read())[0].id == "[fd00::1]:8000"


async def test_a_silent_dns_server_is_an_error_after_the_timeout() -> None:
    async def resolve(name: str) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return []

    with pytest.raises(DiscoveryError, match=r"no answer for api within 0\.01 s"):
        await DnsSource("api", 8000, 1, 0.01, resolve).read()


async def test_an_unknown_name_is_an_error() -> None:
    async def resolve(name: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(DiscoveryError, match="api: Name or service not known"):
        await DnsSource("api", 8000, 1, 1, resolve).read()


async def test_while_a_lookup_hangs_no_second_one_is_started() -> None:
    released, calls = threading.Event(), []

    def getaddrinfo(name: str, *_: object, **__: object) -> Sequence[tuple[object, ...]]:
        calls.append(name)
        released.wait(10)
        return [(2, 1, 6, "", ("10.0.0.1", 0))]

    source = DnsSource("api", 8000, 1, 0.01, SystemResolver(getaddrinfo).addresses)
    for _ in range(3):
        with pytest.raises(DiscoveryError):
            await source.read()
    assert calls == ["api"]
    released.set()

    patient = DnsSource("api", 8000, 1, 10, source._resolve)
    assert [member.host for member in await patient.read()] == ["10.0.0.1"]


# --- file ---


async def test_a_file_lists_backends_in_both_spellings(tmp_path: Path) -> None:
    path = tmp_path / "backends.yaml"
    path.write_text("- {id: a, address: 'h:1', weight: 2}\n- h:2\n- c=h:3\n")

    assert await FileSource(path, 1).read() == (
        Member("a", "h", 1, 2.0), Member("h:2", "h", 2), Member("c", "h", 3),
    )  # fmt: skip


async def test_a_file_is_only_parsed_when_it_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "backends.yaml"
    path.write_text("- h:1\n")
    source = FileSource(path, 1)
    first = await source.read()
    monkeypatch.setattr("lb.discovery.file.parse", lambda _: pytest.fail("parsed again"))

    assert await source.read() is first


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- {id: a, adress: 'h:1'}\n", "backends.yaml: 0.address: Field required"),
        ("- h:1\n- h:1\n", "backends.yaml: id used twice: h:1"),
        ("a: 1\n", "backends.yaml: the file: Input should be a valid tuple"),
        ("[\n", "backends.yaml:2: expected the node content, but found '<stream end>'"),
    ],
)
async def test_a_broken_file_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "backends.yaml"
    path.write_text(text)

    with pytest.raises(DiscoveryError) as raised:
        await FileSource(path, 1).read()

    assert str(raised.value) == problem


async def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match="No such file"):
        await FileSource(tmp_path / "none.yaml", 1).read()
