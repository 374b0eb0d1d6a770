"""What is kept of a container and how it is restored, against an SDK that remembers what it was told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from chaos.drivers import container_limits

NETWORK = {
    "Aliases": ["api", "api-1"], "Links": None, "DriverOpts": {"x": "y"}, "IPAddress": "10.1.2.3",
    "GlobalIPv6Address": "fd00::3",
}  # fmt: skip


def inspected(**host: Any) -> dict[str, Any]:
    unlimited = {"CpuQuota": 0, "CpuPeriod": 0, "NanoCpus": 0, "Memory": 0, "MemorySwap": 0}
    return {"HostConfig": unlimited | host, "NetworkSettings": {"Networks": {"lab": NETWORK}}}


class Api:
    """Docker, as far as it is asked: refuses the addresses in `refused`."""

    def __init__(self, *refused: str, gone: bool = False) -> None:
        self.api = self
        self.refused = refused
        self.gone = gone
        self.updated: list[dict[str, Any]] = []
        self.left: list[str] = []
        self.joined: list[dict[str, Any]] = []
        self.tries = 0
        self.base_url, self.timeout = "http://docker", 10
        self.posted: list[tuple[str, Any]] = []

    def post(self, url: str, json: Any, timeout: int) -> Any:
        self.posted.append((url, json))
        status = 404 if self.gone else 409 if self.refused else 200
        return SimpleNamespace(ok=status == 200, status_code=status, text="no", reason="no", url=url)

    def update_container(self, _: str, **limits: Any) -> None:
        self.updated.append(limits)

    def disconnect_container_from_network(self, _: str, network: str) -> None:
        self.left.append(network)

    def connect_container_to_network(self, _: str, network: str, **endpoint: Any) -> None:
        self.tries += 1
        if self.gone:
            raise docker.errors.NotFound("no such container")
        if set(self.refused) & {endpoint.get("ipv4_address"), endpoint.get("ipv6_address")}:
            raise docker.errors.APIError("user configured subnets only")
        self.joined.append({"network": network} | endpoint)


# --- CPU ---
@pytest.mark.parametrize(
    ("host", "share"),
    [
        ({}, None),
        ({"CpuQuota": -1}, None),
        ({"CpuQuota": 50_000, "CpuPeriod": 100_000}, 0.5),
        ({"CpuQuota": 20_000}, 0.2),
        ({"NanoCpus": 1_500_000_000}, 1.5),
    ],
)
def test_a_share_is_read_from_quota_and_period(host: dict[str, int], share: float | None) -> None:
    assert container_limits.cpu_share(inspected(**host)) == share


def test_a_share_is_set_as_a_quota() -> None:
    sdk = Api()
    container_limits.set_cpu(sdk, "c", 0.25, container_limits.kept(inspected()))
    assert sdk.updated == [{"cpu_period": 100_000, "cpu_quota": 25_000}]


def test_a_container_with_a_limit_in_cpus_gets_another_one_and_then_its_own_again() -> None:
    """Docker refuses a quota there ("Conflicting options")."""
    sdk = Api()
    before = container_limits.kept(inspected(NanoCpus=1_500_000_000))
    container_limits.set_cpu(sdk, "c", 0.25, before)
    container_limits.restore_cpu(sdk, "c", before)
    url = "http://docker/containers/c/update"
    assert sdk.posted == [(url, {"NanoCpus": 250_000_000}), (url, {"NanoCpus": 1_500_000_000})]
    assert sdk.updated == []


@pytest.mark.parametrize(
    ("sdk", "error"), [(Api(gone=True), docker.errors.NotFound), (Api("x"), docker.errors.APIError)]
)
def test_a_limit_in_cpus_that_docker_refuses_is_an_error(sdk: Api, error: type[Exception]) -> None:
    with pytest.raises(error):
        container_limits.set_cpu(sdk, "c", 0.25, {"nano_cpus": 1})


@pytest.mark.parametrize(
    ("host", "restored"),
    [
        ({}, {"cpu_period": 100_000, "cpu_quota": -1}),
        ({"CpuQuota": 30_000, "CpuPeriod": 50_000}, {"cpu_period": 50_000, "cpu_quota": 30_000}),
    ],
)
def test_a_quota_is_restored_and_none_is_unlimited(host: dict[str, int], restored: dict[str, int]) -> None:
    sdk = Api()
    container_limits.restore_cpu(sdk, "c", container_limits.kept(inspected(**host)))
    assert sdk.updated == [restored]


# --- memory ---
def test_a_memory_limit_is_restored_with_its_swap() -> None:
    sdk = Api()
    container_limits.restore_memory(sdk, "c", container_limits.kept(inspected(Memory=1 << 28, MemorySwap=1 << 29)))
    assert sdk.updated == [{"mem_limit": 1 << 28, "memswap_limit": 1 << 29}]


def test_where_there_was_no_memory_limit_nothing_is_set() -> None:
    """Docker cannot take a limit away again, so none was set."""
    sdk = Api()
    container_limits.restore_memory(sdk, "c", container_limits.kept(inspected()))
    assert sdk.updated == []


# --- networks ---
def test_all_networks_are_left() -> None:
    sdk = Api()
    container_limits.disconnect(sdk, "c", ["a", "b"])
    assert sdk.left == ["a", "b"]


@pytest.mark.parametrize(
    ("refused", "addresses"),
    [
        ([], {"ipv4_address": "10.1.2.3", "ipv6_address": "fd00::3"}),
        (["fd00::3"], {"ipv4_address": "10.1.2.3"}),
        (["10.1.2.3"], {"ipv6_address": "fd00::3"}),
        (["10.1.2.3", "fd00::3"], {}),
    ],
)
def test_a_network_is_joined_with_all_the_addresses_that_docker_lets_be_chosen(
    refused: list[str], addresses: dict[str, str]
) -> None:
    sdk = Api(*refused)
    container_limits.connect(sdk, "c", container_limits.kept(inspected())["networks"])
    names = {"aliases": ["api", "api-1"], "links": None, "driver_opt": {"x": "y"}}
    assert sdk.joined == [{"network": "lab", **names, **addresses}]


def test_a_container_that_had_no_address_is_joined_without() -> None:
    sdk = Api()
    kept = container_limits.kept(inspected())["networks"]
    container_limits.connect(sdk, "c", {"lab": kept["lab"] | {"ipv4": "", "ipv6": ""}})
    assert [set(each) for each in sdk.joined] == [{"network", "aliases", "links", "driver_opt"}]


def test_a_container_that_is_gone_is_not_asked_for_again() -> None:
    sdk = Api(gone=True)
    with pytest.raises(docker.errors.NotFound):
        container_limits.connect(sdk, "c", container_limits.kept(inspected())["networks"])
    assert sdk.tries == 1
