"""To which addresses requests may go."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from lab.errors import BadArgumentsError
from lab.services.endpoints import Endpoints
from lab.services.traffic_target import TrafficTarget, is_permitted, name_of


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that sets the addresses of every name; the names that were looked up are in its list."""
    asked: list[str] = []

    def answer(*addresses: str) -> list[str]:
        def look_up(name: str, port: int, **_: Any) -> list[Any]:
            asked.append(name)
            return [(0, 0, 0, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return answer


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://127.0.0.1:8080", "", TrafficTarget("127.0.0.1", 8080, "127.0.0.1:8080", False, "")),
        ("http://127.0.0.9/v1/", "", TrafficTarget("127.0.0.9", 80, "127.0.0.9", False, "/v1")),
        ("https://[::1]:8443", "shop.example", TrafficTarget("::1", 8443, "shop.example", True, "")),
        ("HTTPS://127.0.0.1", "", TrafficTarget("127.0.0.1", 443, "127.0.0.1", True, "")),
    ],
)
def test_a_url_on_loopback_is_a_target(url: str, host: str, target: TrafficTarget) -> None:
    assert TrafficTarget.resolve(url, host) == target


def test_the_address_is_in_its_url() -> None:
    assert TrafficTarget.resolve("https://[::1]:8443/v1", "shop.example").url == "https://[::1]:8443/v1"


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "http://169.254.169.254/latest",
        "http://[::ffff:192.0.2.1]",
        "http://10.0.0.4:80",
    ],
)
def test_no_request_goes_to_another_machine(url: str) -> None:
    with pytest.raises(BadArgumentsError, match=r"no request is sent to .*, which is neither loopback nor a container"):
        TrafficTarget.resolve(url, permitted=["10.0.0.3"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1", "127.0.0.1:80", "http://", "http://127.0.0.1:port", "http://127.0.0.1:99999", "http://[::1",
        "http://user@127.0.0.1", "http://127.0.0.1#x", "http://127.0.0.1/?a=b",
    ],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(BadArgumentsError, match=r"expected http|is not a URL"):
        TrafficTarget.resolve(url)


def test_a_container_is_a_target_if_the_runtime_permits_it(resolver: Callable[..., list[str]]) -> None:
    resolver("10.0.0.3")
    assert TrafficTarget.resolve("http://web", permitted=["10.0.0.3"]).address == "10.0.0.3"
    with pytest.raises(BadArgumentsError, match=r"no request is sent to 10\.0\.0\.3"):
        TrafficTarget.resolve("http://web", permitted=["10.0.0.30"])


def test_of_several_addresses_only_permitted_ones_are_used(resolver: Callable[..., list[str]]) -> None:
    resolver("192.0.2.1", "127.0.0.1")
    assert TrafficTarget.resolve("http://both").address == "127.0.0.1"


def test_a_name_is_looked_up_once(resolver: Callable[..., list[str]]) -> None:
    asked = resolver("127.0.0.1")
    pinned = Endpoints("http://shop.example:81/v1", "", "", "", "local").pinned()
    resolver("192.0.2.1")
    assert (pinned.traffic, pinned.host) == ("http://127.0.0.1:81/v1", "shop.example:81")
    assert asked == ["shop.example"]


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(BadArgumentsError, match=r"has no address"):
        TrafficTarget.resolve(f"http://{'a' * 64}.invalid")


@pytest.mark.parametrize(
    ("address", "permitted"), [("127.1.2.3", True), ("::1", True), ("fe80::1%lo", False), ("fd00::3", True)]
)
def test_addresses_are_compared_as_such(address: str, permitted: bool) -> None:
    assert is_permitted(address, ["FD00:0::3"]) is permitted


@pytest.mark.parametrize(
    ("host", "name"), [("a.example", "a.example"), ("a:80", "a"), ("[::1]:80", "::1"), ("127.0.0.1", "127.0.0.1")]
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert name_of(host) == name
