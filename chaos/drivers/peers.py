"""Resolves the names of lab members to the addresses whose traffic a link fault acts on."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import BadRequestError
from .members import SERVICE_LABEL

BALANCER = "balancer"
BALANCER_ROLE = "lb"


def addresses(names: Sequence[str], members: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """IPv4 and IPv6 addresses of all that are named, by name, role or as the balancer. They are those of now: a peer
    that restarts with another one is out of scope. Raises BadRequestError for what no member is called.

    `members` are by name. A name means that one member, also where a service is called so (`api-1` beside `api`), and
    a role means that service, also where it is called `balancer`.
    """
    running = {name: found for name, member in members.items() if (found := set(_addresses(member)))}
    roles: dict[str, set[str]] = defaultdict(set)
    for name, found in running.items():
        roles[members[name]["Labels"][SERVICE_LABEL]] |= found
    known = {BALANCER: roles[BALANCER_ROLE]} if BALANCER_ROLE in roles else {}
    known |= roles | running
    for name in names:
        if name not in known:
            told = f"params.peer: no running member of this lab is called {name!r}"
            raise BadRequestError(told, possible=sorted(known))
    every = {each for name in names for each in known[name]}
    return tuple(sorted(every, key=lambda each: ipaddress.ip_address(each).packed))


def _addresses(member: Mapping[str, Any]) -> Iterator[str]:
    for endpoint in member["NetworkSettings"]["Networks"].values():
        yield from filter(None, (endpoint["IPAddress"], endpoint["GlobalIPv6Address"]))
