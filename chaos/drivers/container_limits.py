"""Read, change and restore a container's CPU quota, memory limit and networks.

The functions block and take Docker's SDK client or the result of `docker inspect`. Only `docker_targets` calls them,
in threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import docker.errors

MECHANISMS = {"cpu": "docker update (CPU quota)", "memory": "docker update (memory)", "disconnect": "docker network"}
PERIOD_US = 100_000
NANO = 1e9
"""Docker's unit of `cpus:`: CPUs × 10⁹."""
NO_QUOTA = -1
"""The quota that removes the limit. Docker cannot set it back to 0 (never set); the kernel treats both as unlimited."""


def kept(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a fault may overwrite."""
    host = inspected["HostConfig"]
    return {
        "cpu_quota": host["CpuQuota"],
        "cpu_period": host["CpuPeriod"],
        "nano_cpus": host["NanoCpus"],
        "memory": host["Memory"],
        "memory_swap": host["MemorySwap"],
        "networks": {
            name: {"aliases": endpoint["Aliases"], "links": endpoint["Links"], "ipv4": endpoint["IPAddress"],
                   "ipv6": endpoint["GlobalIPv6Address"], "driver_opt": endpoint["DriverOpts"]}
            for name, endpoint in inspected["NetworkSettings"]["Networks"].items()
        },
    }  # fmt: skip


def set_cpu(sdk: Any, container: str, share: float, before: Mapping[str, Any]) -> None:
    """Limit the container to this share of one CPU (0 to 1). `before` is what `kept` returned."""
    if before.get("nano_cpus"):
        _set_nano_cpus(sdk, container, round(share * NANO))
    else:
        sdk.api.update_container(container, cpu_period=PERIOD_US, cpu_quota=round(share * PERIOD_US))


def cpu_share(inspected: Mapping[str, Any]) -> float | None:
    """Return the container's CPU limit in CPUs (0.5: half of one), or None if it has no limit."""
    if nano_cpus := inspected["HostConfig"]["NanoCpus"]:
        return float(nano_cpus / NANO)
    quota, period = inspected["HostConfig"]["CpuQuota"], inspected["HostConfig"]["CpuPeriod"] or PERIOD_US
    return quota / period if quota > 0 else None


def restore_cpu(sdk: Any, container: str, before: Mapping[str, Any]) -> None:
    """Restore the CPU limit that `kept` returned before the fault."""
    if before.get("nano_cpus"):
        _set_nano_cpus(sdk, container, before["nano_cpus"])
        return
    period = before.get("cpu_period") or PERIOD_US
    sdk.api.update_container(container, cpu_period=period, cpu_quota=before.get("cpu_quota") or NO_QUOTA)


def _set_nano_cpus(sdk: Any, container: str, nano_cpus: int) -> None:
    """Set the limit that `cpus:` of a compose file sets. Docker refuses a quota on such a container, and the SDK's
    `update_container` lacks this field."""
    url = f"{sdk.api.base_url}/containers/{container}/update"
    answer = sdk.api.post(url, json={"NanoCpus": nano_cpus}, timeout=sdk.api.timeout)
    if not answer.ok:
        kind = docker.errors.NotFound if answer.status_code == 404 else docker.errors.APIError
        raise kind(answer.text, response=answer)


def restore_memory(sdk: Any, container: str, before: Mapping[str, Any]) -> None:
    """Restore the memory limit that `kept` returned before the fault.

    Do nothing if there was no limit, because the fault needs one and was then refused.
    """
    if before.get("memory"):
        sdk.api.update_container(container, mem_limit=before["memory"], memswap_limit=before["memory_swap"])


def disconnect(sdk: Any, container: str, networks: Sequence[str]) -> None:
    """Disconnect the container from these networks."""
    for network in networks:
        sdk.api.disconnect_container_from_network(container, network)


def connect(sdk: Any, container: str, networks: Mapping[str, Mapping[str, Any]]) -> None:
    """Connect the container to these networks again, with the same aliases and links, and the same addresses if
    possible.

    Docker refuses an address that has been given to another container, and any address in a subnet that Docker itself
    chose (separately for IPv4 and IPv6).
    """
    for network, endpoint in networks.items():
        names = {key: endpoint[key] for key in ("aliases", "links", "driver_opt")}
        _connect(sdk, container, network, names, _choices(endpoint))


def _choices(endpoint: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the sets of addresses to try, in order of preference. The last one is empty: Docker chooses."""
    had = {"ipv4_address": endpoint["ipv4"], "ipv6_address": endpoint["ipv6"]}
    had = {version: address for version, address in had.items() if address}
    ones = [{version: address} for version, address in had.items()] if len(had) > 1 else []
    return [had, *ones, {}] if had else [{}]


def _connect(
    sdk: Any, container: str, network: str, names: Mapping[str, Any], choices: Sequence[Mapping[str, str]]
) -> None:
    for addresses in choices[:-1]:
        try:
            sdk.api.connect_container_to_network(container, network, **names, **addresses)
        except docker.errors.NotFound:
            raise
        except docker.errors.APIError:
            continue
        return
    sdk.api.connect_container_to_network(container, network, **names, **choices[-1])
