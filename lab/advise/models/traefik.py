"""Traefik's quirks: one check decides, checks run one after another, and the policy chooses the server of a retry
again."""

from __future__ import annotations

from typing import ClassVar, Final

from ..failover_model import FailoverModel
from ..suggestions import Knob, Suggestion

_DOCS: Final = "https://doc.traefik.io/traefik/reference/routing-configuration/http"
_RETRY: Final = f"{_DOCS}/middlewares/retry/"
_SERVICE: Final = f"{_DOCS}/load-balancing/service/"
_TRANSPORT: Final = f"{_DOCS}/load-balancing/serverstransport/"


class TraefikModel(FailoverModel):
    """Predicts for Traefik, whose reader gives 1 for fall and rise."""

    program = "traefik"
    docs: ClassVar = {
        "": _SERVICE,
        **dict.fromkeys(("A", "P", "L", "k"), _RETRY),
        **dict.fromkeys(("C", "S"), _TRANSPORT),
    }
    lines: ClassVar = {
        Knob.RESPONSE_TIMEOUT: Suggestion(
            "forwardingTimeouts: {responseHeaderTimeout: {seconds:g}s}",
            _TRANSPORT,
        ),
        Knob.RETRY: Suggestion("retry: {attempts: 2}", _RETRY),
        Knob.OTHER_SERVER: Suggestion("retry: {attempts: 2}", _RETRY),
        Knob.POSTS: Suggestion("retry: {attempts: 2}  # without `status`", _RETRY),
        Knob.ATTEMPTS: Suggestion("retry: {attempts: 2}", _RETRY),
        Knob.CHECKS: Suggestion(
            "healthCheck: {path: /health, interval: 1s, timeout: 400ms}",
            _SERVICE,
        ),
        Knob.IDLE: Suggestion(
            "forwardingTimeouts: {idleConnTimeout: {seconds:g}s}",
            _TRANSPORT,
        ),
    }
    retry_may_repeat_server = True
