"""One adapter a balancer: find the program, render its configuration, run it, and say what it cannot express."""

from __future__ import annotations

from lab.balancers.adapter import Adapter
from lab.balancers.caddy import Caddy
from lab.balancers.envoy import Envoy
from lab.balancers.haproxy import Haproxy
from lab.balancers.nginx import Nginx
from lab.balancers.reroute import Reroute
from lab.balancers.traefik import Traefik
from lab.errors import BadArgumentsError

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter for adapter in (Reroute(), Haproxy(), Nginx(), Envoy(), Traefik(), Caddy())
}
"""By name, ours first: the order of every table."""


def adapter(name: str) -> Adapter:
    """The adapter of that name. Raises `BadArgumentsError` where there is none."""
    if name not in ADAPTERS:
        raise BadArgumentsError(f"no balancer is called {name!r}", f"choose from {', '.join(ADAPTERS)}")
    return ADAPTERS[name]
