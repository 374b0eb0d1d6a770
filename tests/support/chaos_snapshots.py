"""Everything that a fault could leave behind on containers, read from outside the chaos service: one helper reads the
network namespaces of all of them, because starting one for each would take longer than the faults last."""

from __future__ import annotations

from typing import Any

import docker

from tests.support.chaos_docker import IMAGE, is_rule, unnumbered

LIMITS = (
    "Memory", "MemorySwap", "MemoryReservation", "NanoCpus", "CpuShares", "CpuQuota", "CpuPeriod", "CpusetCpus",
    "PidsLimit", "BlkioWeight",
)  # fmt: skip
TOOLS = "iptables-save; ip6tables-save; tc qdisc show"
READ = f'for pid in "$@"; do echo "== $pid"; nsenter -t $pid -n sh -c "{TOOLS}"; done'


def snapshots(client: docker.DockerClient, containers: list[Any]) -> dict[str, Any]:
    """Container id → its state; None for one that is gone. No address: a restart may change it."""
    attributes = {container.id: _inspect(client, container.id) for container in containers}
    rules = _rules(client, [each["State"]["Pid"] for each in attributes.values() if each and each["State"]["Pid"]])
    helpers = _helpers(client)
    return {
        key: each and _snapshot(each, rules.get(each["State"]["Pid"], []), helpers.count(key))
        for key, each in attributes.items()
    } | {f"helpers of {key}": helpers.count(key) for key, each in attributes.items() if each is None}


def _snapshot(attributes: dict[str, Any], rules: list[str], helpers: int) -> dict[str, Any]:
    networks = attributes["NetworkSettings"]["Networks"]
    return {
        "status": attributes["State"]["Status"],
        "networks": {name: sorted(_aliases(each, attributes)) for name, each in sorted(networks.items())},
        "addressed": all(each["IPAddress"] for each in networks.values()),
        "limits": _limits(attributes["HostConfig"]),
        "restart": attributes["HostConfig"]["RestartPolicy"],
        "rules": rules,
        "helpers": helpers,
    }


def _limits(host: dict[str, Any]) -> dict[str, Any]:
    """Docker writes "no quota" as 0 before there was one and as -1, with a period, afterwards: the kernel knows one."""
    limits = {name: host.get(name) or 0 for name in LIMITS}
    return limits if limits["CpuQuota"] > 0 else limits | {"CpuQuota": 0, "CpuPeriod": 0}


def _aliases(network: dict[str, Any], attributes: dict[str, Any]) -> set[str]:
    """Without its own short id, which engines list or do not list."""
    return set(network.get("Aliases") or []) - {attributes["Id"][:12]}


def _inspect(client: docker.DockerClient, container: str) -> dict[str, Any] | None:
    try:
        return dict(client.api.inspect_container(container))
    except docker.errors.NotFound:
        return None


def _rules(client: docker.DockerClient, pids: list[int]) -> dict[int, list[str]]:
    output = client.containers.run(
        IMAGE,
        ["sh", "-c", READ, "read", *map(str, pids)],
        pid_mode="host",
        network_mode="none",
        cap_add=["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "NET_RAW"],
        security_opt=["apparmor=unconfined"],
        remove=True,
    ).decode()
    found: dict[int, list[str]] = {}
    for part in output.split("== ")[1:]:
        pid, *lines = part.splitlines()
        found[int(pid)] = [unnumbered(line) for line in lines if is_rule(line)]
    return found


def _helpers(client: docker.DockerClient) -> list[str]:
    """The target of every helper container there is."""
    found = client.api.containers(all=True, filters={"label": "reroute.helper"})
    return [each["Labels"]["reroute.helper"] for each in found]
