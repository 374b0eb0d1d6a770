from __future__ import annotations

from typing import Any, cast

import pytest

from chaos.access.auth import check_origin
from chaos.drivers.container_networks import ips
from chaos.drivers.docker_client import DockerClient
from chaos.drivers.docker_runtime import DockerRuntime
from chaos.drivers.members import Members
from chaos.errors import ForbiddenOriginError
from chaos.inputs.settings import Settings


def container(id_: str, number: str | None = "1", state: str = "running", **more: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.service": "api", "com.docker.compose.oneoff": more.pop("oneoff", "False")}
    if number is not None:
        labels["com.docker.compose.container-number"] = number
    labels |= more.pop("labels", {})
    return {"Id": id_, "Names": [f"/{id_}"], "Labels": labels, "State": state, **more}


def ids(*containers: dict[str, Any]) -> list[str]:
    return [each["Id"] for each in Members().current(containers)[0]]


def test_a_one_off_container_and_one_without_a_number_are_no_members() -> None:
    assert ids(container("a"), container("run", None, oneoff="True"), container("left", None)) == ["a"]
    assert ids(container("run", "1", "exited", oneoff="True")) == []


@pytest.mark.parametrize("number", ["abc", "-1", "0", "+1", "", "9" * 5000, "\u0661", "1\n"])
def test_a_number_that_does_not_parse_is_warned_of_once(number: str, caplog: pytest.LogCaptureFixture) -> None:
    members = Members()
    for _ in range(3):
        assert members.current([container("bad", number), container("good")])[0] == [container("good")]
    assert len(caplog.records) == 1
    assert len(caplog.text) < 400


@pytest.mark.parametrize(("label", "port"), [("81", 81), ("x", 8000), ("65536", 8000), ("\u0661", 8000), ("-1", 8000)])
def test_a_port_that_does_not_parse_is_ignored(label: str, port: int) -> None:
    assert Members().port(container("a", labels={"reroute.port": label}), 8000) == port


def test_only_the_current_container_of_a_number_counts() -> None:
    assert ids(container("old", state="exited"), container("new")) == ["new"]
    assert ids(container("old", state="exited", Created=1), container("new", state="exited", Created=2)) == ["new"]
    assert ids(container("old"), container("new", labels={"com.docker.compose.replace": "old"})) == ["new"]


def test_two_that_run_under_one_name_are_refused_with_both_ids() -> None:
    assert Members().current([container("b"), container("a")]) == ([], {"api-1": ["a", "b"]})


class FakeClient:
    """Knows the containers of one project."""

    def __init__(self, *summaries: dict[str, Any]) -> None:
        self.summaries = list(summaries)

    async def containers(self, *_: str) -> list[dict[str, Any]]:
        return self.summaries


async def test_a_name_that_two_claim_is_refused_and_the_other_targets_are_as_before() -> None:
    runtime = DockerRuntime(Settings(runtime="docker", project="shop"))
    client = FakeClient(container("a"), container("b"), container("c", "2"))
    runtime._client = cast(DockerClient, client)

    assert [each.name for each in await runtime.targets()] == ["api-2"]
    assert runtime.disputed() == {"api-1": "api-1 is the name of several containers: a and b; remove all but one"}
    assert [each.name for each in await runtime.targets(all_roles=True)] == ["api-2"]

    client.summaries.pop(0)
    assert [each.name for each in await runtime.targets()] == ["api-1", "api-2"]
    assert runtime.disputed() == {}


def test_a_container_with_an_ipv6_address_only_has_that() -> None:
    networks = {"n": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}
    assert ips({"NetworkSettings": {"Networks": networks}}) == ["fd00::2"]


def test_a_container_in_several_networks_has_all_addresses_ipv4_first() -> None:
    networks = {"b": {"IPAddress": "10.1.0.2"}, "a": {"IPAddress": "10.0.0.2", "GlobalIPv6Address": "fd00::2"}}
    assert ips({"NetworkSettings": {"Networks": networks}}) == ["10.0.0.2", "10.1.0.2", "fd00::2"]


@pytest.mark.parametrize(("host", "origins"), [("[::1", []), ("localhost", ["http://[::1"])])
def test_an_address_that_does_not_parse_is_forbidden(host: str, origins: list[str]) -> None:
    with pytest.raises(ForbiddenOriginError):
        check_origin([host], origins)
