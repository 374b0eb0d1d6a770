"""How a response tells which backend gave it, and what its words mean."""

from __future__ import annotations

import json

import pytest

from lab.evidence.events import Event, Events
from lab.evidence.history import Ending, History, Outcome, Request
from lab.evidence.instances import name_instances
from lab.identity import UNIDENTIFIED, identify, in_use, known_names, target_of
from lab.services.identification import DEFAULT, KEPT, Identification

BODY = json.dumps({"host": {"name": "one"}, "list": [{"id": 7}], "flag": True, "none": None, "a/b": "slash"}).encode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("header:X-Served-By", "web-1"),
        ("header:x-served-by", "web-1"),
        ("header:X-Upstream", "10.0.0.2:80"),
        ("header:X-Other", None),
        ("header:X-Empty", None),
        ("json:/host/name", "one"),
        ("json:/list/0/id", "7"),
        ("json:/a~1b", "slash"),
        ("json:/list/1/id", None),
        ("json:/list/00/id", None),
        ("json:/host", None),
        ("json:/flag", None),
        ("json:/none", None),
        ("cookie:srv", "b2"),
        ("cookie:SRV", None),
        ("none", None),
    ],
)
def test_a_response_names_its_backend(text: str, found: str | None) -> None:
    fields = {b"x-served-by": b" web-1 ", b"x-empty": b"", b"x-upstream": b"10.0.0.1:80, 10.0.0.2:80"}
    identification = Identification.parse(text)
    assert str(identification) == text
    assert identification.read(fields, ["other=1", 'srv="b2"', "srv=b3"], BODY) == found


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[" * 100_000, b"\xff", b'"text"', b"{}", BODY[:-5]])
def test_a_body_without_the_name_names_none(body: bytes) -> None:
    assert Identification.parse("json:/host/name").read({}, (), body) is None


def test_a_whole_body_can_be_the_name() -> None:
    assert Identification.parse("json:").read({}, (), b'"one"') == "one"


def test_only_what_is_needed_of_a_body_is_kept() -> None:
    assert [Identification.parse(text).keep for text in ("header:A", "cookie:A", "none", "json:/a")] == [0, 0, 0, KEPT]


@pytest.mark.parametrize(
    "text", ["", "header", "header:", "header:a b", "cookie:", "json:a", "json:/~2", "none:x", "x:y"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*"):
        Identification.parse(text)


def test_the_default_is_the_header_of_the_labs_backends() -> None:
    assert str(DEFAULT) == "header:X-Instance"
    assert Identification.parse("header:X-Instance") == DEFAULT


ID = "0123456789ab" + "c" * 52
TARGETS = [
    {"name": "web-1", "instance": "0123456789ab", "addresses": ["172.18.0.3:80", "[fd00::3]:80"]},
    {
        "name": "web-2",
        "instance": "ba9876543210",
        "addresses": ["172.18.0.4:80"],
        "container": "ba9876543210" + "d" * 52,
    },
]


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("web-1", "web-1"),
        ("0123456789ab", "web-1"),
        (ID, "web-1"),
        (ID[:20], "web-1"),
        ("172.18.0.3:80", "web-1"),
        ("172.18.0.3", "web-1"),
        ("fd00::3", "web-1"),
        ("ba9876543210dd", "web-2"),
        ("green", "web-2"),
        ("0123456789a", None),
        ("172.18.0.3:81", None),
        ("", None),
    ],
)
def test_a_name_means_one_target(value: str, target: str | None) -> None:
    assert target_of(value, known_names(TARGETS, {"green": "web-2"})) == target


def test_a_name_of_two_targets_means_neither_unless_declared() -> None:
    local = [{**row, "addresses": [f"127.0.0.1:{port}"]} for port, row in enumerate(TARGETS, 9000)]
    assert target_of("127.0.0.1", known_names(local, {})) is None
    assert target_of("127.0.0.1:9001", known_names(local, {})) == "web-2"
    assert target_of("127.0.0.1", known_names(local, {"127.0.0.1": "web-1"})) == "web-1"


def test_an_instance_goes_before_the_name_of_another_target() -> None:
    crossed = [{"name": "a", "instance": "b", "addresses": []}, {"name": "b", "instance": "c", "addresses": []}]
    assert known_names(crossed, {}) == {"a": "a", "b": "a", "c": "b"}


@pytest.mark.parametrize(("state", "used"), [("up", True), ("UP", True), (UNIDENTIFIED, True), ("unknown", False)])
def test_what_may_get_requests_is_in_use(state: str, used: bool) -> None:
    assert in_use({"state": state}) is used


def events(*moments: dict[str, dict[str, object]], names: dict[str, str] | None = None) -> Events:
    noted = [Event(float(t), "lab", "targets", {"targets": targets}) for t, targets in enumerate(moments)]
    return Events((Event(0.0, "lab", "run_started", {"names": names or {}}), *noted))


def named(value: str | None, found: Events) -> str | None:
    answer = Request(1, 0.0, 0.0, "GET", "/", ending=Ending(Outcome.OK, 200, value))
    name_instances(History([answer]), found)
    assert answer.outcome is Outcome.OK
    return answer.instance


def noted(targets: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    """Return what the event `targets` holds after its way through JSON."""
    known = identify(targets, [])
    return {name: {"instance": each.instance, "names": [*each.names]} for name, each in known.items()}


def test_a_record_is_read_with_the_names_that_the_lab_noted() -> None:
    found = events(noted(TARGETS), names={"green": "web-2"})
    wanted = {ID: "0123456789ab", "172.18.0.4": "ba9876543210", "green": "ba9876543210", "else": "else", None: None}
    assert {value: named(value, found) for value in wanted} == wanted


def test_an_address_that_moved_to_another_target_means_neither() -> None:
    moved = [{**TARGETS[0], "addresses": ["172.18.0.9:80"]}, {**TARGETS[1], "addresses": ["172.18.0.3:80"]}]
    found = events(noted(TARGETS), noted(moved))
    assert named("172.18.0.3", found) == "172.18.0.3"
    assert named("172.18.0.9", found) == "0123456789ab"


@pytest.mark.parametrize("damage", [[], {"web-1": 5}, {"web-1": {}}, {"web-1": {"names": 5, "instance": None}}])
def test_a_damaged_record_changes_nothing(damage: object) -> None:
    found = Events((Event(0.0, "lab", "targets", {"targets": damage}), Event(0.0, "lab", "run_started", {"names": 1})))
    assert named("172.18.0.3", found) == "172.18.0.3"
