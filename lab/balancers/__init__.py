"""One adapter a balancer: find the program, render its configuration, run it, and say what it cannot express."""

from __future__ import annotations

from ..errors import BadArgumentsError
from .adapter import Adapter
from .caddy import Caddy
from .envoy import Envoy
from .haproxy import Haproxy
from .nginx import Nginx
from .reroute import Reroute
from .traefik import Traefik

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter for adapter in (Reroute(), Haproxy(), Nginx(), Envoy(), Traefik(), Caddy())
}
"""By name, ours first: the order of every table."""


def adapter(name: str) -> Adapter:
    """The adapter of that name. Raises `BadArgumentsError` where there is none."""
    if name not in ADAPTERS:
        raise BadArgumentsError(f"no balancer is called {name!r}", f"choose from {', '.join(ADAPTERS)}")
    return ADAPTERS[name]
