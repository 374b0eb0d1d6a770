"""HAProxy's quirks: how its checks time out, and which failures live traffic counts."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from ...balancers.configuration import Checks, Failure, Value
from ..failover_model import BY_TRAFFIC, Case, FailoverModel
from ..prediction import Estimate, Fault, Input, Outcome, Risk
from ..suggestions import Knob, Suggestion
from ..terms import total

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

        It never completes a TLS handshake, though, for which the limit is that of connecting. HAProxy 2.6 may notice
        the end of `timeout check` only when connecting would have timed out, if that is later (measured).
        """
        accepted = case.fault is Fault.PAUSE or case.situation.relayed
        if checks.connect_timeout_s is None or not accepted:
            return super().check_timeout(case, checks)
        if checks.handshakes:
            return self.names.given("T", "time-out of a check's TLS handshake", checks.connect_timeout_s)
        rest = Value(checks.timeout_s.value - checks.connect_timeout_s.value, checks.timeout_s.place)
        later = max(rest, checks.connect_timeout_s, key=lambda each: each.value)
        return self.names.given("T", "time-out of a check, from when the server accepts the connection", later)

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

    def _visible(self, case: Case, notice: Estimate, get: Outcome, post: Outcome) -> Estimate:
        """`on-marked-down shutdown-sessions` cuts the request whose failure marks the server down, too.

        It is that of a refused connection, which would be retried. A cut request is retried only if `retry-on` says so
        of its method. Tried with HAProxy 2.6: with `error-limit 3`, each kill costs the third request if it is a POST.
        """
        found = super()._visible(case, notice, get, post)
        if not self._cuts_last(case, notice) or found.worst is None or notice.worst is None:
            return found
        if notice.worst.seconds <= found.worst.seconds:
            return found
        told = "only the request whose failure marks the server down is seen"
        if Failure.CLOSED in case.settings.retries.on.value:
            told += f", if it is a POST ({case.situation.post_share:.0%})"
        return Estimate(notice.worst, total(), notice.by, told)

    def _risk(self, case: Case, notice: Estimate, get: Outcome, post: Outcome) -> Risk:
        risk = super()._risk(case, notice, get, post)
        return replace(risk, post_failed=risk.post_failed + self._cuts_last(case, notice))

    def _cuts_last(self, case: Case, notice: Estimate) -> bool:
        """Return whether a POST is cut if its own refused connection marks the server down."""
        closes, retries = case.settings.closes_sessions_when_down, case.settings.retries
        if case.fault not in {Fault.KILL, Fault.REFUSE} or notice.by != BY_TRAFFIC or closes is None:
            return False
        return closes.value and Failure.CLOSED not in retries.non_idempotent_on.value

    def notes(self, case: Case) -> tuple[str, ...]:
        """Add the note that a server gets requests again when its checks pass."""
        passive = case.settings.passive
        told = super().notes(case)
        if passive is not None and passive.returns_by_checks and case.settings.checks is None:
            return (*told, "a server that live traffic took out never returns without health checks")
        return told
