"""One adapter per balancer: finds the program, renders its configuration, runs it and lists what it cannot express.

A new adapter is registered here, in `ADAPTERS`.
"""

from __future__ import annotations

from functools import cache

from ..errors import BadArgumentsError
from ..extensions import ADAPTERS as GROUP
from ..extensions import load, points
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
"""Built-in adapters by name, ours first: the order of every table."""


def _is_adapter(name: str, one: object) -> bool:
    return isinstance(one, Adapter) and one.name == name


@cache
def adapters() -> dict[str, Adapter]:
    """Return all adapters: the built-in ones, then those of other packages.

    Raise `EnvironmentProblemError` if a package adds one under a name that is taken.
    """
    return ADAPTERS | load("adapter", ADAPTERS, _is_adapter, points(GROUP))


def adapter(name: str) -> Adapter:
    """Return the adapter of that name. Raise `BadArgumentsError` if there is none."""
    if name not in adapters():
        raise BadArgumentsError(f"no balancer is called {name!r}", f"choose from {', '.join(adapters())}")
    return adapters()[name]
