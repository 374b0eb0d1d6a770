"""Whose traffic a scoped link fault acts on: names of the lab's members, as addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import BadRequestError

SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
BALANCER = "balancer"
BALANCER_ROLE = "lb"


def addresses(names: Sequence[str], members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """IPv4 and IPv6 addresses of all that are named, by name, role or as the balancer. They are those of now: a peer
    that restarts with another one is out of scope. Raises BadRequestError for what no member is called."""
    found: set[str] = set()
    for name in names:
        here = {each for member in members if name in _names(member) for each in _addresses(member)}
        if not here:
            known = sorted({each for member in members if any(_addresses(member)) for each in _names(member)})
            raise BadRequestError(f"params.peer: no running member of this lab is called {name!r}", possible=known)
        found |= here
    return tuple(sorted(found, key=lambda each: ipaddress.ip_address(each).packed))


def _names(member: Mapping[str, Any]) -> set[str]:
    labels = member["Labels"] or {}
    role = labels.get(SERVICE_LABEL, "")
    if not role:
        return set()
    names = {role, f"{role}-{labels.get(NUMBER_LABEL, '1')}"}
    return names | {BALANCER} if role == BALANCER_ROLE else names


def _addresses(member: Mapping[str, Any]) -> Iterator[str]:
    for endpoint in member["NetworkSettings"]["Networks"].values():
        yield from filter(None, (endpoint["IPAddress"], endpoint["GlobalIPv6Address"]))
