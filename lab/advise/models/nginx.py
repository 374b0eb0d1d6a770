"""nginx's quirks: no active checks, so a live request finds out whether a failed server works again."""

from __future__ import annotations

from typing import ClassVar, Final

from ..failover_model import Case, FailoverModel
from ..prediction import SILENT, Duration, Fault, Input
from ..suggestions import Knob, Suggestion
from ..terms import total, whole

_UPSTREAM: Final = "https://nginx.org/en/docs/http/ngx_http_upstream_module.html"
_PROXY: Final = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
_CLOCK: Final = Input("s", "whole seconds: `fail_timeout` is compared with a clock of seconds", 1.0, "nginx's source")


class NginxModel(FailoverModel):
    """Predicts for open-source nginx."""

    program = "nginx"
    docs: ClassVar = {
        "": _PROXY,
        "n": f"{_UPSTREAM}#server",
        "X": f"{_UPSTREAM}#server",
        "C": f"{_PROXY}#proxy_connect_timeout",
        "S": f"{_PROXY}#proxy_read_timeout",
        "A": f"{_PROXY}#proxy_next_upstream_tries",
        "k": f"{_PROXY}#proxy_next_upstream",
    }
    lines: ClassVar = {
        Knob.RESPONSE_TIMEOUT: Suggestion("proxy_read_timeout {seconds:g}s;", f"{_PROXY}#proxy_read_timeout"),
        Knob.RETRY: Suggestion("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.OTHER_SERVER: Suggestion("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.POSTS: Suggestion("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.ATTEMPTS: Suggestion("proxy_next_upstream_tries 2;", f"{_PROXY}#proxy_next_upstream_tries"),
        Knob.CHECKS: Suggestion("server ADDRESS max_fails=1 fail_timeout=10s;", f"{_UPSTREAM}#server"),
        Knob.IDLE: Suggestion("keepalive_timeout {seconds:g}s;", f"{_UPSTREAM}#keepalive_timeout"),
    }

    def relapse(self, case: Case) -> Duration | None:
        """Requests in flight fail after the server is out, too, and each failure begins `fail_timeout` anew."""
        ejection = super().relapse(case)
        takes = self.attempt(case, case.lasting[0]) if case.fault in SILENT else None
        if ejection is None or takes is None:
            return ejection
        return ejection.plus(whole(takes))

    def ejection_ends(self, case: Case) -> Duration:
        """The last failed test may end after the fault, and begins `fail_timeout` anew."""
        ends = super().ejection_ends(case).plus(whole(_CLOCK))
        takes = self.attempt(case, case.lasting[0]) if case.fault in SILENT else None
        return ends if takes is None else total(whole(takes), *ends.terms)

    def notes(self, case: Case) -> tuple[str, ...]:
        """Add notes on the consequences of having no checks."""
        told = super().notes(case)
        if case.fault is Fault.DRAIN:
            return (*told, "nginx has no active checks, so a server cannot say that it is leaving")
        return told
