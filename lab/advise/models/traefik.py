"""Traefik's quirks: one check decides, checks run one after another, and the policy chooses the server of a retry
again."""

from __future__ import annotations

from typing import ClassVar, Final

from ..failover_model import FailoverModel

_DOCS: Final = "https://doc.traefik.io/traefik/reference/routing-configuration/http"
_SERVICE: Final = f"{_DOCS}/load-balancing/service/"
_TRANSPORT: Final = f"{_DOCS}/load-balancing/serverstransport/"


class TraefikModel(FailoverModel):
    """Predicts for Traefik, whose reader gives 1 for fall and rise."""

    program = "traefik"
    docs: ClassVar = {
        "": _SERVICE,
        **dict.fromkeys(("A", "P", "L", "k"), f"{_DOCS}/middlewares/retry/"),
        **dict.fromkeys(("C", "S"), _TRANSPORT),
    }
    retry_may_repeat_server = True
