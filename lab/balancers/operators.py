"""The operators of the built-in balancers, by adapter name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .caddy.operator import CaddyOperator
from .envoy.operator import EnvoyOperator
from .haproxy.operator import HaproxyOperator
from .nginx.operator import NginxOperator
from .operating import MakeOperator
from .reroute.operator import RerouteOperator
from .traefik.operator import TraefikOperator

OPERATORS: Final[Mapping[str, MakeOperator]] = {
    "reroute": RerouteOperator,
    "haproxy": HaproxyOperator,
    "nginx": NginxOperator,
    "envoy": EnvoyOperator,
    "traefik": TraefikOperator,
    "caddy": CaddyOperator,
}
