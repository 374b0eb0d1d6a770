"""Settings that are dangerous when a server fails: where they are, what happens, and what to write instead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ..balancers.configuration import CheckKind, Configuration, FailoverSettings, Failure, Place, Pool, Unknown, Value
from .failover_model import FailoverModel
from .prediction import Situation
from .suggestions import Knob, Suggestion
from .versions import Difference, differences

COMMON_KEEP_ALIVE_S: Final = 5.0
"""uvicorn and Node.js close an idle connection after 5 s: https://www.uvicorn.org/settings/#timeouts and
https://nodejs.org/api/http.html#serverkeepalivetimeout."""
STORM_ATTEMPTS: Final = 3
"""From this number of attempts on, retries without a budget are reported: they triple the load of a slow pool."""
_SENT: Final = frozenset({Failure.CLOSED, Failure.TIMEOUT, Failure.ERROR})
"""Failures after which the server may have executed the request."""
_TOLD: Final = {
    Failure.CONNECT: "failed connections",
    Failure.CLOSED: "cut connections",
    Failure.TIMEOUT: "time-outs",
    Failure.ERROR: "error responses",
}


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    DANGER = "danger"
    """Clients lose requests, or wait too long, although another server could serve them."""
    WARNING = "warning"
    """It is dangerous in some cases."""
    NOTE = "note"
    """Something to know, such as a directive that was not understood."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One dangerous setting."""

    rule: str
    """Name of the rule, such as `post-replayed`."""
    severity: Severity
    place: Place | None
    """Line to look at; None if it is a default of the program."""
    title: str
    happens: str
    """What happens, in numbers."""
    suggestion: str
    """A line in the program's syntax; empty if the program has no setting for it."""
    docs: str


RULES: Final = {
    "longer-than-client": "A response may take longer than clients wait",
    "no-redispatch": "Every retry goes to the server that failed",
    "no-retry": "A failed connection is not retried",
    "post-replayed": "A POST that was sent is sent again",
    "panic": "Failed servers are used if too few are left",
    "one-check-decides": "One failed check takes a server out",
    "no-checks": "There are no health checks",
    "tcp-check": "The health check passes on a frozen server",
    "tls-check": "The health check sends no request",
    "retry-storm": "Retries multiply the load of a slow pool",
    "keep-alive": "Idle connections may be kept for longer than the server keeps them",
    "ejection-limit": "The limit on ejected servers keeps a failed server in use",
    "version-default": "Versions of the program differ here",
    "unknown-directive": "The adviser does not know this directive",
}
"""Rule → its title."""


def findings(
    model: FailoverModel,
    pool: Pool,
    configuration: Configuration,
    situation: Situation,
    backend_keep_alive_s: float | None = None,
    version: str = "",
) -> list[Finding]:
    """Return all findings about the pool, the worst first.

    `backend_keep_alive_s`: None if it is not known. `version`: of the program; empty if it is not known.
    """
    found = [
        *_Rules(model, pool, situation).all(backend_keep_alive_s),
        *_versions(differences(configuration, pool, version)),
        *_unknown(configuration.unknown),
    ]
    order = list(Severity)
    return sorted(found, key=lambda each: order.index(each.severity))


def _versions(found: Iterable[Difference]) -> Iterator[Finding]:
    for each in found:
        rule = "version-default"
        yield Finding(rule, Severity.NOTE, each.place, RULES[rule], each.told, "", each.docs)


def _unknown(unknown: Sequence[Unknown]) -> Iterator[Finding]:
    for each in unknown:
        rule = "unknown-directive"
        happens = f"`{each.text}` may change the predictions; they ignore it"
        yield Finding(rule, Severity.NOTE, each.place, RULES[rule], happens, "", "docs/advise.md")


class _Rules:
    """The rules, for one pool."""

    def __init__(self, model: FailoverModel, pool: Pool, situation: Situation) -> None:
        self._model = model
        self._pool = pool
        self._settings: FailoverSettings = pool.settings
        self._situation = situation

    def all(self, backend_keep_alive_s: float | None) -> Iterator[Finding]:
        """Yield the findings in the order of `RULES`."""
        yield from self._longer_than_client()
        yield from self._retried_in_vain()
        yield from self._post_replayed()
        yield from self._panic()
        yield from self._checks()
        yield from self._storm()
        yield from self._keep_alive(backend_keep_alive_s)
        yield from self._ejection_limit()

    def _found(
        self,
        rule: str,
        severity: Severity,
        happens: str,
        knob: Knob,
        value: Value[Any] | None = None,
        *,
        seconds: float = 0.0,
    ) -> Finding:
        advice = self._model.lines.get(knob, Suggestion("", self._model.docs[""])).at(seconds)
        place = value.place if value is not None else self._pool.place
        return Finding(rule, severity, place, RULES[rule], happens, advice.line, advice.docs)

    def _longer_than_client(self) -> Iterator[Finding]:
        patience_s, limit = self._situation.client_timeout_s, self._settings.response_timeout_s
        wanted_s = round(patience_s / 3, 1)
        rule = "longer-than-client"
        if limit.value is None:
            happens = f"a frozen server holds a request without limit; the client gives up after {patience_s:g} s"
            yield self._found(rule, Severity.DANGER, happens, Knob.RESPONSE_TIMEOUT, limit, seconds=wanted_s)
            return
        tries, sum_s = self._silent_attempts(limit.value)
        if sum_s > patience_s:
            each = f"{tries} × {limit.value:g} s" if tries > 1 else f"{limit.value:g} s"
            happens = f"a frozen server holds a request for up to {each}; the client gives up after {patience_s:g} s"
            yield self._found(rule, Severity.DANGER, happens, Knob.RESPONSE_TIMEOUT, limit, seconds=wanted_s)

    def _silent_attempts(self, timeout_s: float) -> tuple[int, float]:
        """Return the number of attempts in a row that may time out, and their sum in seconds."""
        retries = self._settings.retries
        attempts = retries.attempts.value if Failure.TIMEOUT in retries.on.value else 1
        total_s = retries.total_s.value
        if total_s is not None:
            attempts = min(attempts, max(1, math.ceil(total_s / timeout_s)))
        return attempts, attempts * timeout_s

    def _retried_in_vain(self) -> Iterator[Finding]:
        retries = self._settings.retries
        attempts, elsewhere = retries.attempts, retries.other_server_from
        share = f"1 of {self._situation.servers} requests"
        if attempts.value < 2 or Failure.CONNECT not in retries.on.value:
            value = attempts if attempts.value < 2 else retries.on
            happens = f"while a server is down and not yet taken out, {share} fails"
            yield self._found("no-retry", Severity.DANGER, happens, Knob.RETRY, value)
        elif elsewhere.value is None or elsewhere.value > attempts.value:
            waits_s = (attempts.value - 1) * retries.pause_s.value
            late = f", {waits_s:g} s late" if waits_s else ""
            happens = (
                f"while a server is down and not yet taken out, {share} fails{late}, after {attempts.value} attempts"
            )
            yield self._found("no-redispatch", Severity.DANGER, happens, Knob.OTHER_SERVER, elsewhere)

    def _post_replayed(self) -> Iterator[Finding]:
        retries = self._settings.retries
        after = retries.non_idempotent_on.value & _SENT
        if after and retries.attempts.value > 1:
            told = " and ".join(_TOLD[each] for each in Failure if each in after)
            happens = f"after {told} a POST is sent up to {retries.attempts.value} times, and each may be executed"
            yield self._found("post-replayed", Severity.DANGER, happens, Knob.POSTS, retries.non_idempotent_on)

    def _panic(self) -> Iterator[Finding]:
        limit, servers = self._settings.panic_below, self._situation.servers
        if limit is None or not limit.value:
            return
        out = next(n for n in range(1, servers + 1) if (servers - n) / servers < limit.value)
        if out == servers:
            return  # all have failed: nothing is lost by using them
        severity = Severity.DANGER if out == 1 else Severity.WARNING
        happens = (
            f"with {out} of {servers} servers out, all {servers} are used, and {out / servers:.0%} of requests fail"
        )
        yield self._found("panic", severity, happens, Knob.PANIC, limit)

    def _checks(self) -> Iterator[Finding]:
        checks = self._settings.checks
        if checks is None or checks.kind.value is CheckKind.NONE:
            passive = self._settings.passive
            if passive is None:
                how, severity = "nothing takes a failed server out", Severity.DANGER
            else:
                failed = passive.failures.value
                requests = "request takes" if failed == 1 else "requests take"
                how = f"only {failed} failed live {requests} a server out, and live requests test it again every "
                how, severity = f"{how}{passive.ejection_s.value:g} s", Severity.WARNING
            found = self._found("no-checks", severity, how, Knob.CHECKS, checks.kind if checks else None)
            # A program without active checks that already counts live traffic has nothing better to offer.
            yield replace(found, suggestion="") if checks is None and passive is not None else found
            return
        if checks.kind.value is CheckKind.TCP:
            happens = "a frozen server, and one that answers only errors, accepts connections: it stays in use"
            yield self._found("tcp-check", Severity.DANGER, happens, Knob.CHECKS, checks.kind)
        if checks.kind.value is CheckKind.TLS:
            happens = "a server that answers only errors completes the TLS handshake: it stays in use"
            yield self._found("tls-check", Severity.DANGER, happens, Knob.CHECKS, checks.kind)
        if checks.fall.value == 1:
            happens = (
                f"a check that takes longer than {checks.timeout_s.value:g} s once takes the server out for at least "
                f"{checks.down_interval_s.value + (checks.rise.value - 1) * checks.doubt_interval_s.value:g} s"
            )
            yield self._found("one-check-decides", Severity.WARNING, happens, Knob.FALL, checks.fall)

    def _storm(self) -> Iterator[Finding]:
        retries = self._settings.retries
        slow = retries.on.value & {Failure.TIMEOUT, Failure.ERROR}
        if slow and retries.attempts.value >= STORM_ATTEMPTS and retries.most_concurrent is None:
            factor = retries.attempts.value
            happens = (
                f"if all servers are slow or answer errors, they get up to {factor} × "
                f"{self._situation.rate_per_s:g} = {factor * self._situation.rate_per_s:g} requests/s"
            )
            yield self._found("retry-storm", Severity.WARNING, happens, Knob.ATTEMPTS, retries.attempts)

    def _keep_alive(self, known_s: float | None) -> Iterator[Finding]:
        idle = self._settings.idle_timeout_s
        theirs_s = COMMON_KEEP_ALIVE_S if known_s is None else known_s
        if idle is None or (idle.value is not None and idle.value < theirs_s):
            return
        kept = "without limit" if idle.value is None else f"for {idle.value:g} s"
        whose = "the servers close it" if known_s is not None else "servers such as uvicorn and Node.js close it"
        happens = f"an idle connection is kept {kept}, but {whose} after {theirs_s:g} s; a request sent then is lost"
        severity = Severity.WARNING if known_s is not None else Severity.NOTE
        yield self._found("keep-alive", severity, happens, Knob.IDLE, idle, seconds=max(1.0, theirs_s - 1))

    def _ejection_limit(self) -> Iterator[Finding]:
        passive, servers = self._settings.passive, self._situation.servers
        if passive is None or passive.most_ejected is None:
            return
        limit = passive.most_ejected
        if math.floor(round(limit.value * servers, 6)) < 1:
            happens = f"{limit.value:.0%} of {servers} servers is less than one, so live traffic never takes one out"
            yield self._found("ejection-limit", Severity.DANGER, happens, Knob.EJECTED, limit)
