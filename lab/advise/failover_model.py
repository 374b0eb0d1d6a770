"""The arithmetic that all programs share. What a program does differently is a method that its model overrides.

A fault looks to a balancer in one of four ways, the families of this file: a connection is refused or cut at once
(kill, refuse), nothing comes back (pause, blackhole), every response is an error (error), or health checks fail while
requests succeed (drain). Symbols, seconds unless noted otherwise:

    I f d  interval of checks: server well, state in doubt, server down     F R  fall and rise (counts)
    T      time-out of a check                                             n    failures that eject (count)
    C S    time-out of connecting, of a response                           X    ejection
    A      attempts (count)   P  pause between two on one server           g    gap between requests to the server
    D      duration of the fault                                           m    allowance of the lab

How many requests the balancing policy sends to the failed server is derived in `lab.advise.balancing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ..balancers.configuration import Balancing, CheckKind, Checks, FailoverSettings, Failure, Policy, Value
from .balancing import fast_share, gap, pending_at_most, sent_at_most
from .prediction import SILENT, Duration, Estimate, Fault, Input, Outcome, Prediction, Result, Risk, Situation, Term
from .suggestions import Knob, Suggestion
from .terms import ALLOWANCE, Names, fault_ends, half, one_less, stretched, times, total, whole

_ATTEMPT: Final = {
    Fault.KILL: (Failure.CONNECT, Failure.CLOSED),
    Fault.REFUSE: (Failure.CONNECT, Failure.CLOSED),
    Fault.PAUSE: (Failure.TIMEOUT,),
    Fault.BLACKHOLE: (Failure.TIMEOUT, Failure.CONNECT),
    Fault.ERROR: (Failure.ERROR,),
    Fault.DRAIN: (Failure.CONNECT, Failure.CLOSED),
}
"""Fault → the ways in which an attempt on the failed server can fail, on a new or on a pooled connection. Most requests
of the lab fail in the first way. For a drain: after the server has stopped."""
BY_CHECKS: Final = "health checks"
BY_TRAFFIC: Final = "live traffic"
_NEVER_OUT: Final = "the server is never taken out"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault of one pool."""

    fault: Fault
    settings: FailoverSettings
    situation: Situation

    @property
    def attempts(self) -> tuple[Failure, ...]:
        """How attempts on the failed server fail; the usual way first."""
        if self.fault is Fault.BLACKHOLE and self.situation.relayed:
            return (Failure.TIMEOUT,)
        return _ATTEMPT[self.fault]

    @property
    def lasting(self) -> tuple[Failure, ...]:
        """How attempts fail during the whole fault, without what happens only once: a pooled connection is cut."""
        return tuple(each for each in self.attempts if each is not Failure.CLOSED)

    @property
    def balancing(self) -> Balancing:
        """The policy that selects a server."""
        return self.settings.balancing.value

    @property
    def gap(self) -> Input:
        """The longest time until the policy selects a given server."""
        return gap(self.situation, self.balancing)[1]

    @property
    def outage_s(self) -> float:
        """How long requests to the server can be affected."""
        return self.situation.drain_s if self.fault is Fault.DRAIN else self.situation.outage_s


class FailoverModel:
    """Predicts for one program. Subclasses set the class attributes and override what the program does differently."""

    program: ClassVar[str]
    docs: ClassVar[Mapping[str, str]]
    """Symbol → address of the program's documentation; the key "" is for all others."""
    lines: ClassVar[Mapping[Knob, Suggestion]]
    """The line to write in place of a dangerous setting, in the program's syntax."""
    bad_status_decides: ClassVar[bool] = False
    """Whether one check with a wrong status takes the server out of use at once, whatever F is."""
    waits_after_checks: ClassVar[bool] = True
    """Whether the interval between checks is counted from the end of a check. False: from its beginning."""
    retry_may_repeat_server: ClassVar[bool] = False
    """Whether the policy chooses again for a retry, and may choose the same server."""
    total_ends_request: ClassVar[bool] = False
    """Whether the limit over all attempts ends the request. False: it only prevents another attempt."""

    def __init__(self) -> None:
        self.names = Names(self.program, self.docs)

    def predict(self, settings: FailoverSettings, situation: Situation) -> tuple[Prediction, ...]:
        """Return one prediction for each kind of fault."""
        return tuple(self._predict(Case(fault, settings, situation)) for fault in Fault)

    def _predict(self, case: Case) -> Prediction:
        notice = self.notice(case)
        get, post = (self._request(case, post=post) for post in (False, True))
        visible = self._visible(case, notice, get, post)
        longest = max((get.wait, post.wait), key=lambda wait: wait.seconds)
        risk = self._risk(case, notice, get, post)
        return Prediction(
            case.fault, notice, visible, get, post, risk, longest, self.back(case, notice), self.notes(case)
        )

    # What a program may do differently.

    def notes(self, case: Case) -> tuple[str, ...]:
        """Return what a reader should know about this program and fault."""
        host = ("if the host dies too, or the container's address: see blackhole",) if case.fault is Fault.KILL else ()
        return (*host, *_of_policy(case))

    def check_timeout(self, case: Case, checks: Checks) -> Input:
        """Return the longest duration of a check under this fault."""
        return self.names.given("T", "time-out of a check", checks.timeout_s)

    def counted_share(self, case: Case, failure: Failure) -> float:
        """Return the fraction of the failed attempts that counts against the server in passive detection."""
        passive = case.settings.passive
        return 1.0 if passive is not None and failure in passive.counted.value else 0.0

    def can_eject(self, case: Case) -> bool:
        """Return whether passive detection may take one more server out of use."""
        return True

    def relapse(self, case: Case) -> Duration | None:
        """Return how long a server that live traffic has taken out of use gets no live request.

        None if it gets none before its health checks have passed.
        """
        passive = case.settings.passive
        if passive is None or passive.returns_by_checks or self._by_checks(case).worst is not None:
            return None
        return total(whole(self.names.given("X", "ejection", passive.ejection_s)))

    def ejection_ends(self, case: Case) -> Duration:
        """Return the longest time from the end of the fault to the end of the ejection."""
        passive = case.settings.passive
        assert passive is not None
        return total(whole(self.names.given("X", "ejection", passive.ejection_s)), whole(case.gap))

    # Time to notice.

    def notice(self, case: Case) -> Estimate:
        """Return the time until no new request goes to the server: by checks or live traffic, whichever is sooner."""
        checks, traffic = self._by_checks(case), self._by_traffic(case)
        if checks.worst is None or traffic.worst is None:
            if checks.worst is None and traffic.worst is None:
                return Estimate(None, None, f"{checks.by}; {traffic.by}")
            return checks if traffic.worst is None else traffic
        sure, other = sorted((checks, traffic), key=lambda each: each.worst.seconds if each.worst else math.inf)
        if sure.expected is None or other.expected is None or other.expected.seconds >= sure.expected.seconds:
            return sure
        told = f"{other.by} mostly ends it sooner, expected after {other.expected.seconds:.2f} s"
        return replace(sure, expected=other.expected, mostly=told)

    def _by_checks(self, case: Case) -> Estimate:
        checks = case.settings.checks
        if checks is None or checks.kind.value is CheckKind.NONE:
            return Estimate(None, None, "there are no health checks")
        if checks.kind.value is CheckKind.TCP:
            if case.fault in {Fault.PAUSE, Fault.ERROR, Fault.DRAIN}:
                return Estimate(None, None, "a TCP check passes, because the server accepts connections")
            if case.fault is Fault.BLACKHOLE and case.situation.relayed:
                return Estimate(None, None, "a TCP check passes, because the lab's relay accepts connections")
        if checks.kind.value is CheckKind.TLS and case.fault in {Fault.ERROR, Fault.DRAIN}:
            return Estimate(None, None, "a TLS check passes, because it sends no request")
        interval, doubt = self._intervals(checks)
        fall = self.names.given("F", "failed checks in a row", checks.fall)
        between = [one_less(fall, doubt)]
        if case.fault in {Fault.ERROR, Fault.DRAIN} and self.bad_status_decides:
            between = []
        if case.fault in SILENT:
            timeout = self.check_timeout(case, checks)
            between = [times(fall, timeout), *between] if self.waits_after_checks else [*between, whole(timeout)]
        return Estimate(
            total(whole(interval), *between, whole(ALLOWANCE)),
            total(half(interval), *between),
            BY_CHECKS,
        )

    def _intervals(self, checks: Checks) -> tuple[Input, Input]:
        jitter = self.names.given("j", "jitter", checks.jitter)
        interval = self.names.given("I", "interval of checks", checks.interval_s)
        doubt = self.names.given("f", "interval while the state is in doubt", checks.doubt_interval_s)
        return stretched(interval, jitter), stretched(doubt, jitter)

    def _by_traffic(self, case: Case) -> Estimate:
        passive = case.settings.passive
        if passive is None or not passive.failures.value:
            return Estimate(None, None, "live traffic does not count")
        if case.fault is Fault.DRAIN:
            return Estimate(None, None, "requests succeed")
        if case.balancing.policy is Policy.OTHER:
            return Estimate(None, None, "the policy may send the server too few requests to count")
        if not self.can_eject(case):
            return Estimate(None, None, "the limit on ejected servers forbids the ejection")
        found = [self._row(case, failure) for failure in case.lasting]
        return max(found, key=lambda each: math.inf if each.worst is None else each.worst.seconds)

    def _row(self, case: Case, failure: Failure) -> Estimate:
        """Return the time until enough attempts have failed to eject the server.

        If only some requests count, their arrivals are random. The time of n of them has a mean of n·g and a standard
        deviation of √n·g; the worst case is two of these later. If the policy depends on chance, too, the longest gap
        has both. With a policy that counts pending requests, a server that hangs may get its next request only when the
        last one has timed out. In turn, each retry takes the turn of another server, so that the failed one mostly gets
        one of S−1 requests and not one of S; only the expected value relies on it.
        """
        passive = case.settings.passive
        share = self.counted_share(case, failure)
        if passive is None or not share:
            return Estimate(None, None, "such failures do not count in live traffic")
        failures = self.names.given("n", "failures that eject", passive.failures)
        spacing, longest = gap(case.situation, case.balancing, share, passive.failures.value)
        takes = self.attempt(case, failure)
        if takes is None:
            return Estimate(None, None, "such requests have no time-out, so live traffic sees no failure")
        one_at_a_time = case.balancing.policy is Policy.FEWEST and takes.value > 0
        apart_s = longest.value + (takes.value if one_at_a_time else 0.0)
        if passive.window_s is not None and (failures.value - 1) * apart_s > passive.window_s.value:
            slowly = (
                f"{failures.value:g} failures may take longer than the {passive.window_s.value:g} s that they count"
            )
            return Estimate(None, None, slowly)
        late = passive.evaluated_every_s
        evaluated = [] if late is None else [whole(self.names.given("E", "interval of its evaluation", late))]
        in_turn = (
            case.balancing.policy is Policy.TURNS and not takes.value and failure in case.settings.retries.on.value
        )
        sooner = max(1, case.situation.servers - 1) / case.situation.servers if in_turn else 1.0
        mean = total(times(failures, replace(spacing, value=spacing.value * sooner)), whole(takes), *evaluated)
        pending = times(failures, takes) if one_at_a_time else whole(takes)
        spread = Term("2√n·g", 2 * math.sqrt(failures.value) * spacing.value, (failures, spacing))
        late_arrivals = [spread] if share < 1 and not case.balancing.by_chance else []
        worst = total(times(failures, longest), pending, *evaluated, *late_arrivals, whole(ALLOWANCE))
        return Estimate(worst, mean, BY_TRAFFIC)

    # What a client sees.

    def attempt(self, case: Case, failure: Failure) -> Input | None:
        """Return how long an attempt takes to fail; None if it has no time-out."""
        settings = case.settings
        if failure is Failure.TIMEOUT:
            return self._limit("S", "time-out of a response", settings.response_timeout_s)
        if failure is Failure.CONNECT and case.fault in SILENT:
            limit = self._limit("C", "time-out of connecting", settings.connect_timeout_s)
            return limit or Input("C", "time-out of connecting", 130.0, "the operating system's limit")
        return Input("0", "fails at once", 0.0, "the fault")

    def _limit(self, symbol: str, meaning: str, value: Value[float | None]) -> Input | None:
        if value.value is None:
            return None
        return self.names.given(symbol, meaning, Value(value.value, value.place))

    def _request(self, case: Case, *, post: bool) -> Outcome:
        """Return the worst end of a request, over the ways in which an attempt may fail."""
        ends = [self._end(case, failure, post=post) for failure in case.lasting]
        return max(ends, key=lambda each: (each.failed_share, each.wait.seconds))

    def _end(self, case: Case, failure: Failure, *, post: bool) -> Outcome:
        takes = self.attempt(case, failure)
        situation = case.situation
        if takes is None:
            return self._given_up(case, fault_ends(situation.outage_s), 0.0, "the response has no time-out")
        retries = case.settings.retries
        repeated = failure in (retries.non_idempotent_on if post else retries.on).value
        if not repeated:
            return self._given_up(case, total(whole(takes)), 1.0, f"not retried after {_AFTER[failure]}")
        attempts = self.names.given("A", "attempts", retries.attempts)
        pause = self.names.given("P", "pause before a retry on the same server", retries.pause_s)
        elsewhere = retries.other_server_from.value
        limit = retries.total_s.value
        same = (
            attempts
            if elsewhere is None
            else self.names.given(
                "k", "first attempt on another server", Value(elsewhere, retries.other_server_from.place)
            )
        )
        if elsewhere is None or elsewhere > attempts.value:
            wait = total(times(attempts, takes), one_less(attempts, pause))
            return self._given_up(case, self._capped(case, wait), 1.0, "every attempt goes to the same server")
        waits = Input(f"({same.symbol}−1)", "attempts on the failed server", same.value - 1, same.source, same.place)
        wait = total(times(waits, takes), one_less(waits, pause))
        if limit is not None and wait.seconds >= limit:
            return self._given_up(case, self._capped(case, wait), 1.0, "the limit over all attempts prevents a retry")
        if not self.retry_may_repeat_server:
            return self._given_up(case, wait, 0.0, "retried on another server")
        if self._ejects_itself(case, failure, takes):
            assert case.settings.passive is not None
            failures = self.names.given("n", "failures that eject", case.settings.passive.failures)
            wait = self._capped(case, total(times(failures, takes), times(failures, pause)))
            return self._given_up(case, wait, 0.0, "retried; its own failures take the server out of use")
        # A retry goes to the failed server again as often as any request does: if it looks idle, more often than that.
        again = 1 / situation.servers if takes.value else fast_share(case.balancing, situation)
        wait = self._capped(case, total(times(attempts, takes), one_less(attempts, pause)))
        return self._given_up(case, wait, again ** (attempts.value - 1), "retried, perhaps on the same server")

    def _ejects_itself(self, case: Case, failure: Failure, takes: Input) -> bool:
        """Return whether the attempts of one request, all on the failed server, eject it before the last attempt."""
        passive = case.settings.passive
        if passive is None or not self.can_eject(case) or passive.evaluated_every_s is not None:
            return False
        failures = passive.failures.value
        in_window = passive.window_s is None or failures * takes.value <= passive.window_s.value
        counted = self.counted_share(case, failure) == 1.0
        return counted and in_window and 0 < failures < case.settings.retries.attempts.value

    def _capped(self, case: Case, wait: Duration) -> Duration:
        """Return the wait, shortened to the limit over all attempts if that limit ends requests in this program."""
        limit = case.settings.retries.total_s
        if not self.total_ends_request or limit.value is None or wait.seconds <= limit.value:
            return wait
        return total(whole(self.names.given("L", "limit over all attempts", Value(limit.value, limit.place))))

    def _given_up(self, case: Case, wait: Duration, failed_share: float, why: str) -> Outcome:
        """Return the outcome after the balancer has given up, or earlier if the fault ends or the client gives up
        first."""
        situation = case.situation
        if case.fault in SILENT and wait.seconds > situation.outage_s:
            wait, failed_share = fault_ends(situation.outage_s), 0.0
            why = f"{why}; answered when the fault ends"
        if wait.seconds > situation.client_timeout_s:
            patience = Input("p", "the client's time-out", situation.client_timeout_s, "assumed (--client-timeout)")
            return Outcome(Result.FAILED, total(whole(patience)), 1.0, f"the client gives up ({why})")
        slow = wait.seconds > situation.slow_s
        result = Result.FAILED if failed_share == 1.0 else Result.SLOW if slow else Result.OK
        return Outcome(result, wait, failed_share, why)

    def _visible(self, case: Case, notice: Estimate, get: Outcome, post: Outcome) -> Estimate:
        in_flight = total(whole(ALLOWANCE))
        if case.fault is not Fault.DRAIN and not (_seen(get) or _seen(post)):
            told = "retries hide it; requests in flight may be seen"
            return Estimate(in_flight, total(), told, told)
        outage, relapse = fault_ends(case.outage_s), self.relapse(case)
        out = notice.worst if notice.by == BY_TRAFFIC else None
        if out is not None and relapse is not None and out.seconds + relapse.seconds < case.outage_s:
            told = f"a live request tries the server again every {relapse.seconds:g} s"
            if _seen(get):
                return Estimate(outage, outage, told)
            tests, posts = self._live_tests(case, notice), case.situation.post_share
            chance = Input("v", "chance that a test is a POST", 1 - (1 - posts) ** tests, f"{tests} tests")
            ends = Term("v·D", chance.value * case.outage_s, (chance, *outage.inputs))
            mostly = f"only a POST is seen, and one of {tests} tests is one with a chance of {chance.value:.0%}"
            return Estimate(outage, total(ends), told, mostly)
        mostly = notice.mostly
        rare = max(get.failed_share, post.failed_share)
        if case.fault is not Fault.DRAIN and Result.SLOW not in {get.result, post.result} and 0 < rare < 1:
            mostly = f"a request is seen only if each of its retries chooses the failed server again ({rare:.0%})"
        return Estimate(_shorter(notice.worst, outage), _shorter(notice.expected, outage), notice.by, mostly)

    def _risk(self, case: Case, notice: Estimate, get: Outcome, post: Outcome) -> Risk:
        situation, posts = case.situation, case.situation.post_share
        sent = self._sent(case, notice)
        # In the worst case, each request that tries the server again is one that the client sees.
        tests = self._live_tests(case, notice)
        gets = sent * (1 - posts) + (tests if _seen(get) else 0)
        sent_posts = sent * posts + (0 if _seen(get) else tests)
        # A POST in flight when its connection is cut was sent, so it is not retried.
        cut = case.fault in {Fault.KILL, Fault.REFUSE}
        in_flight = situation.per_server * ALLOWANCE.value * posts if cut else 0.0
        return Risk(
            _count(gets * get.failed_share),
            _count(gets * (1 - get.failed_share)) if _slow(case, get) else 0,
            _count(sent_posts * post.failed_share + in_flight),
            _count(sent_posts * (1 - post.failed_share)) if _slow(case, post) else 0,
            # The allowance is for those in flight when the fault begins or a draining server stops.
            _count(sent + tests + situation.per_server * ALLOWANCE.value),
        )

    def _sent(self, case: Case, notice: Estimate) -> float:
        """Return the largest number of requests that the policy can send to the server while it cannot serve them."""
        exposed_s, hangs_s = self._exposed_s(case, notice), None
        if case.fault in SILENT:
            found = [self.attempt(case, each) for each in case.lasting]
            hangs_s = min([each.value for each in found if each] + [case.situation.client_timeout_s])
        counted_s = exposed_s - ALLOWANCE.value if notice.by == BY_TRAFFIC and case.fault not in SILENT else 0.0
        return sent_at_most(
            case.balancing, case.situation, exposed_s, hangs_s or None, until_counted=max(0.0, counted_s)
        )

    def _exposed_s(self, case: Case, notice: Estimate) -> float:
        """Return for how long requests go to the server while it cannot serve them."""
        seconds = math.inf if notice.worst is None else notice.worst.seconds
        if case.fault is Fault.DRAIN:  # at its end the server stops, and that may be noticed sooner
            stopped = self.notice(replace(case, fault=Fault.KILL)).worst
            late_s = max(0.0, seconds - case.situation.drain_s)
            seconds = late_s if stopped is None else min(late_s, stopped.seconds)
        return min(seconds, case.situation.outage_s)

    def _live_tests(self, case: Case, notice: Estimate) -> int:
        """Return how many live requests try the server again while it still fails."""
        relapse = self.relapse(case)
        if notice.by != BY_TRAFFIC or notice.worst is None or relapse is None or not relapse.seconds:
            return 0
        return max(0, math.floor((case.situation.outage_s - notice.worst.seconds) / relapse.seconds))

    # Time to take the server back.

    def back(self, case: Case, notice: Estimate) -> Estimate:
        """Return the time from the end of the fault until the server gets requests again."""
        if notice.worst is None:
            return Estimate(total(), total(), _NEVER_OUT)
        ends = []
        passive = case.settings.passive
        by_checks = self._back_by_checks(case)
        if by_checks is not None:
            ends.append(by_checks)
        if passive is not None and not passive.returns_by_checks and self._by_traffic(case).worst is not None:
            longest = self.ejection_ends(case)
            ends.append(Estimate(longest.plus(whole(ALLOWANCE)), total(*(half(i) for i in longest.inputs)), BY_TRAFFIC))
        if not ends:
            return Estimate(None, None, "nothing takes it back")
        return max(ends, key=lambda each: each.worst.seconds if each.worst else math.inf)

    def _back_by_checks(self, case: Case) -> Estimate | None:
        checks = case.settings.checks
        if checks is None or checks.kind.value is CheckKind.NONE:
            return None
        jitter = self.names.given("j", "jitter", checks.jitter)
        down = stretched(self.names.given("d", "interval while the server is down", checks.down_interval_s), jitter)
        _, doubt = self._intervals(checks)
        rise = self.names.given("R", "passed checks in a row", checks.rise)
        first = [whole(self.check_timeout(case, checks))] if case.fault in SILENT else []
        rest = [one_less(rise, doubt)]
        spacing = case.gap
        return Estimate(
            total(*first, whole(down), *rest, whole(spacing), whole(ALLOWANCE)), total(half(down), *rest), BY_CHECKS
        )


def _of_policy(case: Case) -> tuple[str, ...]:
    """Return what the balancing policy means for the number of affected requests."""
    balancing, situation = case.balancing, case.situation
    match balancing.policy:
        case Policy.RANDOM:
            return ("chance selects the server, so one of 1000 faults affects more requests",)
        case Policy.KEY:
            return ("the keys of the policy are assumed to be spread evenly over the servers",)
        case Policy.FEWEST if case.fault in SILENT:
            most = pending_at_most(balancing, situation)
            within = f"healthy servers answer within {situation.response_s:g} s"
            return (f"at most {most} requests at a time wait for the server, because it is the busiest ({within})",)
        case Policy.FEWEST if (share := fast_share(balancing, situation)) > 1 / situation.servers:
            return (f"the server looks idle because it fails at once, so it may get {share:.0%} of the requests",)
        case Policy.FIRST | Policy.OTHER:
            return ("the policy may send all requests to one server",)
    return ()


_AFTER: Final = {
    Failure.CONNECT: "a failed connection",
    Failure.CLOSED: "a cut connection",
    Failure.TIMEOUT: "a time-out",
    Failure.ERROR: "an error response",
}


def _shorter(one: Duration | None, other: Duration) -> Duration:
    return other if one is None or other.seconds < one.seconds else one


def _seen(outcome: Outcome) -> bool:
    """Return whether a client may see the fault in a request that was sent to the failed server first."""
    return outcome.result is not Result.OK or outcome.failed_share > 0


def _slow(case: Case, outcome: Outcome) -> bool:
    return outcome.failed_share < 1.0 and outcome.wait.seconds > case.situation.slow_s


def _count(requests: float) -> int:
    """Return a number of requests, rounded up, but not because of floating-point noise."""
    return math.ceil(round(requests, 6))
