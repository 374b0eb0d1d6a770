"""Which networks a container is in, and at which addresses. Pure: it reads the result of `docker inspect`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Inspected = Mapping[str, Any]
HOST_SANDBOX = "/default"
"""End of the path of the host's own network namespace, in whatever way a container came to be in it."""


def why_no_link(inspected: Inspected) -> str:
    """Return why the container has no network link of its own; empty if it has one.

    Rules in its network namespace would then affect the whole host or another container.
    """
    mode = str(inspected["HostConfig"]["NetworkMode"])
    settings = inspected["NetworkSettings"]
    if mode == "host" or "host" in settings["Networks"] or str(settings.get("SandboxKey")).endswith(HOST_SANDBOX):
        return "uses the host's network (network_mode: host), so a link fault would affect the whole host"
    if mode.startswith("container:"):
        return "uses the network of another container (network_mode), so a link fault would affect that one too"
    return "has no network (network_mode: none)" if mode == "none" else ""


def own_networks(inspected: Inspected) -> frozenset[str] | None:
    """Return the names of the networks that the container reaches; None for all, because it uses the host's network."""
    networks = frozenset(inspected["NetworkSettings"]["Networks"])
    return None if "host" in networks else networks


def ips(inspected: Inspected, within: Collection[str] | None = None) -> list[str]:
    """Return the container's IPv4 addresses, then the IPv6 ones, in the networks `within`, or in all.

    With `--ipv4=false`, networks have only IPv6 addresses.
    """
    networks = inspected["NetworkSettings"]["Networks"]
    names = sorted(name for name in networks if within is None or name in within)
    found = [networks[name].get(key) for key in ("IPAddress", "GlobalIPv6Address") for name in names]
    return list(filter(None, found))


def why_no_address(inspected: Inspected, within: Collection[str] | None) -> str:
    """Return why the container has no address in the networks `within`, as the end of a sentence about it."""
    if not inspected["State"]["Running"]:
        return "is not running"
    if reason := why_no_link(inspected):
        return reason
    if within is None or not ips(inspected):
        return "is in no network in which it has an address"
    theirs, ours = (" and ".join(sorted(each)) or "none" for each in (inspected["NetworkSettings"]["Networks"], within))
    return f"shares no network with the chaos service (its networks: {theirs}; those of the service: {ours})"
