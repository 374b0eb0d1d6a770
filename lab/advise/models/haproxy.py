"""HAProxy's quirks: how its checks time out, and which failures live traffic counts."""

from __future__ import annotations

from typing import ClassVar, Final

from ...balancers.configuration import Checks, Failure, Value
from ..failover_model import Case, FailoverModel
from ..prediction import Fault, Input
from ..suggestions import Knob, Suggestion

_DOCS: Final = "https://docs.haproxy.org/2.6/configuration.html"


class HaproxyModel(FailoverModel):
    """Predicts for HAProxy."""

    program = "haproxy"
    docs: ClassVar = {
        "": f"{_DOCS}#4.2",
        "I": f"{_DOCS}#5.2-inter",
        "f": f"{_DOCS}#5.2-fastinter",
        "d": f"{_DOCS}#5.2-downinter",
        "F": f"{_DOCS}#5.2-fall",
        "R": f"{_DOCS}#5.2-rise",
        "T": f"{_DOCS}#4.2-timeout%20check",
        "n": f"{_DOCS}#5.2-error-limit",
        "X": f"{_DOCS}#5.2-on-error",
        "C": f"{_DOCS}#4.2-timeout%20connect",
        "S": f"{_DOCS}#4.2-timeout%20server",
        "A": f"{_DOCS}#4.2-retries",
        "P": f"{_DOCS}#4.2-retries",
        "k": f"{_DOCS}#4.2-option%20redispatch",
    }
    lines: ClassVar = {
        Knob.RESPONSE_TIMEOUT: Suggestion("timeout server {seconds:g}s", f"{_DOCS}#4.2-timeout%20server"),
        Knob.RETRY: Suggestion("retries 1", f"{_DOCS}#4.2-retries"),
        Knob.OTHER_SERVER: Suggestion("option redispatch 1", f"{_DOCS}#4.2-option%20redispatch"),
        Knob.POSTS: Suggestion(
            "http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE TRACE }",
            f"{_DOCS}#4.2-http-request%20disable-l7-retry",
        ),
        Knob.ATTEMPTS: Suggestion("retries 1", f"{_DOCS}#4.2-retries"),
        Knob.FALL: Suggestion("default-server fall 2", f"{_DOCS}#5.2-fall"),
        Knob.CHECKS: Suggestion("option httpchk GET /health", f"{_DOCS}#4.2-option%20httpchk"),
        Knob.IDLE: Suggestion("default-server pool-purge-delay {seconds:g}s", f"{_DOCS}#5.2-pool-purge-delay"),
    }

    def check_timeout(self, case: Case, checks: Checks) -> Input:
        """`timeout check` begins after connecting. A paused server accepts at once, so only the rest is waited for.

        It never completes a TLS handshake, though, for which the limit is that of connecting.
        """
        accepted = case.fault is Fault.PAUSE or case.situation.relayed
        if checks.connect_timeout_s is None or not accepted:
            return super().check_timeout(case, checks)
        if checks.handshakes:
            return self.names.given("T", "time-out of a check's TLS handshake", checks.connect_timeout_s)
        rest = checks.timeout_s.value - checks.connect_timeout_s.value
        return self.names.given("T", "time-out of a check after connecting", Value(rest, checks.timeout_s.place))

    def counted_share(self, case: Case, failure: Failure) -> float:
        """A request that is retried after it was sent counts only with its last attempt, on another server."""
        share = super().counted_share(case, failure)
        if failure is Failure.CONNECT:
            return share
        retries = case.settings.retries
        posts = case.situation.post_share
        retried = (1 - posts if failure in retries.on.value else 0.0) + (
            posts if failure in retries.non_idempotent_on.value else 0.0
        )
        return share * round(1 - retried, 9)

    def notes(self, case: Case) -> tuple[str, ...]:
        """Add the note that a server gets requests again when its checks pass."""
        passive = case.settings.passive
        told = super().notes(case)
        if passive is not None and passive.returns_by_checks and case.settings.checks is None:
            return (*told, "a server that live traffic took out never returns without health checks")
        return told
