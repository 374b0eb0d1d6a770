"""One model for each program."""

from __future__ import annotations

from typing import Final

from ...errors import BadArgumentsError
from ..failover_model import FailoverModel
from .caddy import CaddyModel
from .envoy import EnvoyModel
from .haproxy import HaproxyModel
from .nginx import NginxModel
from .traefik import TraefikModel

MODELS: Final[dict[str, type[FailoverModel]]] = {
    each.program: each for each in (HaproxyModel, NginxModel, EnvoyModel, TraefikModel, CaddyModel)
}
"""Models by adapter. Reroute's (`reroute.py`) needs the bounds of a running balancer."""


def model(program: str) -> FailoverModel:
    """Return the model of that adapter. Raise `BadArgumentsError` if there is none."""
    if program not in MODELS:
        raise BadArgumentsError(f"there is no model of {program}'s failover", f"choose from {', '.join(MODELS)}")
    return MODELS[program]()
