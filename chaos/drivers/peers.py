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


def addresses(
    names: Sequence[str], members: Mapping[str, Mapping[str, Any]], balancer_role: str = BALANCER_ROLE
) -> tuple[str, ...]:
    """Return the IPv4 and IPv6 addresses of the named peers: names of members, roles, or `balancer`.

    The addresses are the current ones, so the fault does not affect a peer that restarts with another address. A word
    in `names` means first the member of this name in `members`, then the role, then the balancer. Raise BadRequestError
    for a word that is none of them.
    """
    running = {name: found for name, member in members.items() if (found := set(_addresses(member)))}
    roles: dict[str, set[str]] = defaultdict(set)
    for name, found in running.items():
        roles[members[name]["Labels"][SERVICE_LABEL]] |= found
    known = {BALANCER: roles[balancer_role]} if balancer_role in roles else {}
    known |= roles | running
    for name in names:
        if name not in known:
            told = f"params.peer: no running member of this lab with an address of its own is called {name!r}"
            if name == BALANCER and not balancer_role:
                told = "params.peer: it is not known which service is the balancer: set CHAOS_BALANCER, or name it"
            raise BadRequestError(told, possible=sorted(known))
    every = {each for name in names for each in known[name]}
    return tuple(sorted(every, key=lambda each: ipaddress.ip_address(each).packed))


def _addresses(member: Mapping[str, Any]) -> Iterator[str]:
    for endpoint in member["NetworkSettings"]["Networks"].values():
        yield from filter(None, (endpoint["IPAddress"], endpoint["GlobalIPv6Address"]))
