"""Caddy's quirks: checks begin at fixed intervals, a passed check does not reset the count of failures, and the policy
chooses the server of a retry again."""

from __future__ import annotations

from typing import ClassVar, Final

from ..failover_model import FailoverModel
from ..suggestions import Knob, Suggestion

_DOCS: Final = "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"


class CaddyModel(FailoverModel):
    """Predicts for Caddy. A passed check does not reset the count of failed ones, so at most F failures are needed."""

    program = "caddy"
    docs: ClassVar = {
        "": _DOCS,
        **dict.fromkeys(("I", "f", "d", "F", "R", "T"), f"{_DOCS}#active-health-checks"),
        **dict.fromkeys(("n", "X"), f"{_DOCS}#passive-health-checks"),
        **dict.fromkeys(("A", "P", "L", "k"), f"{_DOCS}#load-balancing"),
        **dict.fromkeys(("C", "S"), f"{_DOCS}#the-http-transport"),
    }
    lines: ClassVar = {
        Knob.RESPONSE_TIMEOUT: Suggestion(
            "transport http { response_header_timeout {seconds:g}s }",
            f"{_DOCS}#the-http-transport",
        ),
        Knob.RETRY: Suggestion("lb_retries 1", f"{_DOCS}#load-balancing"),
        Knob.OTHER_SERVER: Suggestion("lb_retries 1", f"{_DOCS}#load-balancing"),
        Knob.POSTS: Suggestion(
            "lb_retry_match { method GET HEAD OPTIONS PUT DELETE TRACE }", f"{_DOCS}#load-balancing"
        ),
        Knob.ATTEMPTS: Suggestion("lb_retries 1", f"{_DOCS}#load-balancing"),
        Knob.FALL: Suggestion("health_fails 2", f"{_DOCS}#active-health-checks"),
        Knob.CHECKS: Suggestion("health_uri /health", f"{_DOCS}#active-health-checks"),
        Knob.IDLE: Suggestion("transport http { keepalive {seconds:g}s }", f"{_DOCS}#the-http-transport"),
    }
    waits_after_checks = False
    retry_may_repeat_server = True
