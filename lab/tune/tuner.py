"""Searches a user's files for the changes that meet the goals, and reads the result back.

Each state of the search is written into a copy of the files, and read by the program's own reader, as `lab advise`
would do. So the prediction that is shown is that of the changed file itself, and a change that the reader does not
understand as it was meant is left out.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..advise.advice import Advice, advise
from ..advise.findings import Severity
from ..advise.prediction import Duration, Fault, Situation
from ..balancers import adapter as find_adapter
from ..balancers.adapter import OwnFiles, Program
from ..balancers.changes import apply
from ..balancers.configuration import Configuration, FailoverSettings, Listener, Pool, Value
from ..balancers.importing import can_import, choose
from ..balancers.own_files import read, write
from ..balancers.running import MissingProgramError, RejectedConfigError
from ..balancers.selection import Choice, Wanted, prepare
from ..balancers.tunables import LEAST_CHECK_TIMEOUT_S, LEAST_CONNECT_S, Bounds, Candidate, Tunable, has_checks
from ..errors import BadArgumentsError
from ..runtime.ports import LOOPBACK, free_ports
from .goal import LIMITS, Goal, Limit
from .search import Search, State

SLOWEST_RESPONSE_S: Final = 1.0
"""Default of `--slowest-response`: most applications answer sooner, and clients wait for longer."""
LONGEST_EJECTION_S: Final = 10.0
"""Default of `--longest-ejection`, that of nginx. If all servers are slow for a moment, live traffic may take out all,
and requests fail until the first ejection ends."""
_BROKEN: Final = 1000.0
"""Score of a broken limit or a new danger: more than all goals together can have."""
_AFFECTED: Final = 0.5
"""Weight of the requests that fail or are slow under a fault whose goal is missed."""
_NEVER: Final = 40.0
"""Score of a goal whose value has no end: a trillion times the bound."""
_EACH: Final = 10.0
"""Cost of a change in addition to its size, so that few changes are better than small ones; also of a new warning."""
_LARGEST: Final = 9.0
_NEW: Final = 2.0
"""Size of a change that adds something new, as the binary logarithm of a factor: as if a time were divided by 4."""
_SMALLEST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be tuned, and for what."""

    program: str
    files: tuple[Path, ...]
    situation: Situation
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    frontend: str = ""
    pool: str = ""
    slowest_response_s: float | None = None
    """None: the lower of `SLOWEST_RESPONSE_S` and the present time-out."""
    longest_ejection_s: float | None = None
    """None: the higher of `LONGEST_EJECTION_S` and the present value."""
    check_path: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """The files with some changes, as the program's reader reads them."""

    texts: Mapping[Path, str]
    """By the path of the user's file, the main file first."""
    configuration: Configuration
    listener: Listener
    pool: Pool
    advice: Advice

    @property
    def rules(self) -> frozenset[tuple[str, Severity]]:
        """Rules with a finding, and its severity, notes left out."""
        return frozenset(
            (each.rule, each.severity) for each in self.advice.findings if each.severity is not Severity.NOTE
        )

    @property
    def dangers(self) -> frozenset[str]:
        """Rules with a finding of severity `danger`."""
        return frozenset(rule for rule, severity in self.rules if severity is Severity.DANGER)


@dataclass(frozen=True, slots=True)
class Change:
    """One changed setting."""

    tunable: Tunable
    candidate: Candidate
    before: Any
    """What the reader finds in the user's file; None if it is not set, and has no default."""

    def __str__(self) -> str:
        names = [re.split(r"[/.]", name)[-1] for name in self.candidate.writes]
        values = map(_written, self.candidate.writes.values())
        written = ", ".join(f"{name} {value}".strip() for name, value in zip(names, values, strict=True))
        unit = f" {self.tunable.unit}" if self.tunable.unit and self.before is not None else ""
        return f"{written} (before: {shown(self.before)}{unit})"


@dataclass(frozen=True, slots=True)
class Missed:
    """A goal that even the best version does not meet for one kind of fault."""

    goal: Goal
    fault: Fault
    value: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result."""

    request: Request
    bounds: Bounds
    before: Version
    after: Version
    changes: tuple[Change, ...]
    missed: tuple[Missed, ...]
    broken: tuple[str, ...]
    """Limits that the best version does not keep, because the user's file does not either."""
    left_out: tuple[str, ...]
    """Settings that could not be changed, each with the reason."""
    others: tuple[str, ...]
    """Other pools whose settings change too."""
    checked: str
    """What the program itself says of the changed files."""
    tried: int
    """Number of versions that were read and predicted."""

    @property
    def met(self) -> bool:
        """Whether all goals are met under all limits."""
        return not self.missed and not self.broken


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shown(value: Any) -> str:
    """Return a setting's value for people."""
    if value is None:
        return "not set"
    if isinstance(value, frozenset):
        return " ".join(sorted(value)) or "nothing"
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def tune(request: Request) -> Tuning:
    """Return the fewest and smallest changes that meet the goals, or the best that can be reached.

    Raise `BadArgumentsError` if the files cannot be read, or leave a choice of listener or pool.
    """
    own = find_adapter(request.program).own_files
    if own is None or not can_import(own):
        raise BadArgumentsError(f"the lab cannot read files of {request.program}")
    configuration = own.read(request.files)
    with tempfile.TemporaryDirectory(prefix="lab-tune-") as folder:
        return _Tuner(request, own, configuration, Path(folder)).run()


def copies(texts: Mapping[Path, str], folder: Path) -> list[Path]:
    """Write the texts below `folder`, at the same relative places, so that relative includes find them."""
    root = Path(os.path.commonpath([path.parent for path in texts]))
    places = [folder / path.relative_to(root) for path in texts]
    for place, text in zip(places, texts.values(), strict=True):
        write(place, text)
    return places


class _Tuner:
    def __init__(self, request: Request, own: OwnFiles, configuration: Configuration, folder: Path) -> None:
        self._request = request
        self._own = own
        self._folder = folder
        self._configuration = configuration
        route = choose(configuration, request.frontend, request.pool)
        self._listener, self._pool = route.listener, route.pool
        self._at = configuration.listeners.index(route.listener), configuration.pools.index(route.pool)
        self._texts = {path: text for path, text in configuration.texts.items() if _on_disk(path, text)}
        self._situation = replace(request.situation, servers=len(route.pool.servers))
        self._bounds = Bounds(self._slowest_response_s(), self._longest_ejection_s(), request.check_path)
        self._left_out: dict[str, str] = {}
        self._alone: dict[tuple[str, int], Version | str] = {}
        found = self._version(())
        if isinstance(found, str) or _plain(found.pool.settings) != _plain(route.pool.settings):
            told = found if isinstance(found, str) else "its settings differ"
            raise BadArgumentsError(
                f"a copy of the files is not read like the files themselves: {told}", "give all files of one folder"
            )
        self._before = found
        self._tunables = self._offered()

    def _slowest_response_s(self) -> float:
        if self._request.slowest_response_s is not None:
            return self._request.slowest_response_s
        return min(SLOWEST_RESPONSE_S, self._pool.settings.response_timeout_s.value or SLOWEST_RESPONSE_S)

    def _longest_ejection_s(self) -> float:
        if self._request.longest_ejection_s is not None:
            return self._request.longest_ejection_s
        passive = self._pool.settings.passive
        return max(LONGEST_EJECTION_S, 0.0 if passive is None else passive.ejection_s.value)

    def _offered(self) -> list[Tunable]:
        """Return the settings with the candidates that differ from the present value."""
        found = []
        for each in self._own.tunables(self._configuration, self._listener, self._pool, self._bounds):
            present = each.read(self._pool.settings)
            candidates = tuple(one for one in each.candidates if not _same(one.value, present))
            if candidates:
                found.append(replace(each, candidates=candidates))
        return found

    def run(self) -> Tuning:
        """Search, let the program check the result, and search again without what it rejects."""
        tried = 0
        while True:
            costs = [[self._cost(each, one) for one in each.candidates] for each in self._tunables]
            search = Search(costs, self._score)
            best = search.best()
            tried += len(search.tried)
            changes = self._changes(best)
            after = self._version(changes)
            assert isinstance(after, Version)
            rejected, checked = self._rejected(changes, after)
            if not rejected:
                return self._result(changes, after, checked, tried)
            self._tunables = [each for each in self._tunables if each.name not in rejected]

    def _cost(self, tunable: Tunable, candidate: Candidate) -> float:
        """Return the cost of a change: the more it changes, and the more warnings it leads to, the more it costs."""
        size = min(_LARGEST, _size(tunable, candidate, self._pool.settings))
        alone = self._version((Change(tunable, candidate, None),))
        new = alone.rules - self._before.rules if isinstance(alone, Version) else ()
        return _EACH * (1 + len(new)) + size

    def _changes(self, state: State) -> tuple[Change, ...]:
        pairs = zip(self._tunables, state, strict=True)
        return tuple(
            Change(each, each.candidates[chosen], each.read(self._pool.settings))
            for each, chosen in pairs
            if chosen is not None
        )

    def _version(self, changes: tuple[Change, ...]) -> Version | str:
        """Return the files with these changes, or why they are not what was meant. Single changes are kept."""
        if len(changes) != 1:
            return self._made(changes)
        key = changes[0].tunable.name, id(changes[0].candidate)
        if key not in self._alone:
            self._alone[key] = self._made(changes)
        return self._alone[key]

    def _made(self, changes: Sequence[Change]) -> Version | str:
        writes: dict[str, Any] = {}
        for name, value in (pair for each in changes for pair in each.candidate.writes.items()):
            if writes.setdefault(name, value) != value:
                return f"{name} would get two values"
        edits = self._own.tuned(self._configuration, self._listener, self._pool, writes) if writes else ()
        texts = apply(self._texts, edits)
        try:
            configuration = self._own.read(copies(texts, self._folder))
        except BadArgumentsError as error:
            return str(error)
        if (len(configuration.listeners), len(configuration.pools)) != (
            len(self._configuration.listeners),
            len(self._configuration.pools),
        ):
            return "the changed file has other listeners or pools"
        listener, pool = configuration.listeners[self._at[0]], configuration.pools[self._at[1]]
        for each in changes:
            found = each.tunable.read(pool.settings)
            if not _same(found, each.candidate.value):
                return f"{shown(each.candidate.value)} is read as {shown(found)}"
        return Version(texts, configuration, listener, pool, advise(configuration, pool, self._situation))

    def _score(self, state: State) -> float | None:
        """Return how far the version is from the goals: the sum of the binary logarithms of the missing factors."""
        changes = self._changes(state)
        found = self._version(changes)
        if isinstance(found, str):
            if len(changes) == 1:
                self._left_out.setdefault(changes[0].tunable.name, found)
            return None
        if not self._is_safe(found.pool.settings):
            return None
        goals = sum(self._shortfall(goal, found) for goal in self._request.goals)
        broken = [
            _excess(limit.of(found.pool.settings, found.advice.predictions), limit.bound, 0.001)
            for limit in self._request.limits
        ]
        dangers = len(found.dangers - self._before.dangers)
        return goals + sum(_BROKEN + each for each in broken if each > 0) + _BROKEN * dangers

    def _shortfall(self, goal: Goal, found: Version) -> float:
        """Return how far the version is from one goal: 0 if it is met.

        A goal that is missed is missed by less if fewer clients are affected. Otherwise a time-out of half the outage
        would be best for a program that tries a failed server again and again, although all requests wait for it.
        """
        unit = 1.0 if goal.measure.name in {"failed", "slow"} else 0.001
        total = 0.0
        for each in found.advice.predictions:
            if each.fault in goal.faults and (missed := _excess(goal.measure.read(each), goal.bound, unit)):
                risk = each.risk
                affected = risk.get_failed + risk.get_slow + risk.post_failed + risk.post_slow
                total += missed + _AFFECTED * math.log2(1 + affected)
        return total

    def _is_safe(self, settings: FailoverSettings) -> bool:
        """Return whether no time-out is below its lower limit, unless it is in the user's file already."""
        present = self._pool.settings
        pairs = [
            (settings.connect_timeout_s.value, present.connect_timeout_s.value, LEAST_CONNECT_S),
            (settings.response_timeout_s.value, present.response_timeout_s.value, self._bounds.slowest_response_s),
        ]
        if settings.checks is not None and has_checks(settings):
            before = present.checks.timeout_s.value if present.checks is not None and has_checks(present) else None
            pairs.append((settings.checks.timeout_s.value, before, LEAST_CHECK_TIMEOUT_S))
        return all(
            after is None or after >= min(least, math.inf if before is None else before) - 1e-9
            for after, before, least in pairs
        )

    def _rejected(self, changes: Sequence[Change], after: Version) -> tuple[set[str], str]:
        """Return the names of changes that the program does not accept, and what it says of the rest."""
        if not changes:
            return set(), ""
        complaint = self._complaint(after)
        if complaint is None:
            return set(), f"{self._request.program} accepts the changed files"
        if complaint.startswith("not checked"):
            return set(), complaint
        if (theirs := self._complaint(self._before)) is not None:
            return set(), f"not checked: {self._request.program} rejects your own files, too: {theirs}"
        wrong = set()
        for each in changes:
            alone = self._version((each,))
            if isinstance(alone, Version) and (said := self._complaint(alone)) is not None:
                self._left_out[each.tunable.name] = f"{self._request.program} rejects it: {said}"
                wrong.add(each.tunable.name)
        if not wrong:
            self._left_out[changes[-1].tunable.name] = f"{self._request.program} rejects the changes: {complaint}"
            wrong = {changes[-1].tunable.name}
        return wrong, ""

    def _complaint(self, version: Version) -> str | None:
        """Return what the program says against the files, imported as for a run; None if it accepts them."""
        with tempfile.TemporaryDirectory(prefix="lab-tune-") as name:
            folder = Path(name)
            files = copies(version.texts, folder / "files")
            configuration = self._own.read(files)
            listener, pool = configuration.listeners[self._at[0]], configuration.pools[self._at[1]]
            choice = Choice(
                "tuned",
                adapter=self._request.program,
                files=tuple(map(str, files)),
                listener=str(listener.place),
                pool=str(pool.place),
            )
            ports = [f"{LOOPBACK}:{port}" for port in islice(free_ports(), 2 + len(pool.servers))]
            backends = {f"api-{number}": port for number, port in enumerate(ports[2:], 1)}
            (folder / "run").mkdir()
            if self._own.commands(Program(("",)), files)[0] is None:
                return f"not checked: {self._request.program} has no command that checks its files"
            try:
                prepare(choice, Wanted(ports[0], ports[1], backends), folder / "run")
            except MissingProgramError as error:
                return f"not checked: {error} ({error.next_step})"
            except RejectedConfigError as error:
                return error.details[-1] if error.details else str(error)
            except BadArgumentsError as error:
                return f"not checked: {error}"
        return None

    def _result(self, changes: tuple[Change, ...], after: Version, checked: str, tried: int) -> Tuning:
        request = self._request
        missed = [
            Missed(goal, fault, value, tuple(self._why(goal, fault, after, changes)))
            for goal in request.goals
            for fault, value in goal.of(after.advice.predictions).items()
            if value > goal.bound + 1e-9
        ]
        broken = [
            f"{limit.text}: it is {LIMITS[limit.name].shown(value)}"
            for limit in request.limits
            if (value := limit.of(after.pool.settings, after.advice.predictions)) > limit.bound + 1e-9
        ]
        pools = zip(self._configuration.pools, after.configuration.pools, strict=True)
        others = [
            f"{old.name} ({old.place})"
            for old, new in pools
            if old is not self._pool and _plain(old.settings) != _plain(new.settings)
        ]
        return Tuning(
            request,
            self._bounds,
            self._before,
            after,
            changes,
            tuple(missed),
            tuple(broken),
            tuple(f"{name}: {why}" for name, why in self._left_out.items()),
            tuple(others),
            checked,
            tried,
        )

    def _why(self, goal: Goal, fault: Fault, after: Version, changes: Sequence[Change]) -> Iterator[str]:
        """Yield the reasons why the goal is missed: the sum, and for each term why it is not smaller."""
        predicted = next(each for each in after.advice.predictions if each.fault is fault)
        if goal.measure.estimate is None:
            yield f"GETs: {predicted.get.why}; POSTs: {predicted.post.why}"
        found = predicted.notice if goal.measure.estimate is None else goal.measure.estimate(predicted)
        if found.worst is None or found.by != predicted.notice.by:
            yield found.by
        if predicted.notice.worst is None:
            yield f"never noticed: {predicted.notice.by}"
        duration: Duration | None = predicted.longest_wait if goal.measure.name == "wait" else found.worst
        if duration is not None:
            yield f"{duration.formula} = {duration.seconds:g} s"
            yield from self._terms(duration, after)
        if self._needs_path():
            yield "--check-path PATH lets the tuner add health checks that send a request"
        yield from self._own.cannot

    def _needs_path(self) -> bool:
        """Return whether more could be changed if the path of a health check were known."""
        known = replace(self._bounds, check_path="/health")
        offered = self._own.tunables(self._configuration, self._listener, self._pool, known)
        return len(offered) > len(self._own.tunables(self._configuration, self._listener, self._pool, self._bounds))

    def _terms(self, duration: Duration, after: Version) -> Iterator[str]:
        by_symbol = {each.symbol: each for each in self._tunables if each.symbol}
        for each in duration.inputs:
            told = f"{each.symbol} {each.value:.4g}: {each.meaning}, {each.source}"
            tunable = by_symbol.get(each.symbol.rstrip("'"))
            if tunable is None or not tunable.candidates:
                yield told
                continue
            numbers = [one.value for one in tunable.candidates if isinstance(one.value, int | float)]
            now = tunable.read(after.pool.settings)
            smaller = isinstance(now, int | float) and any(number < now for number in numbers)
            why = "smaller values do not help, or break a limit" if smaller else tunable.least or "the smallest"
            yield f"{told} ({why})"


def _on_disk(path: Path, text: str) -> bool:
    """Return whether the text is that of a file, and was not generated by a reader."""
    return path.is_file() and read(path) == text


def _excess(value: float, bound: float, unit: float) -> float:
    """Return 0 if the bound is kept, else the binary logarithm of the factor by which it is exceeded."""
    if value <= bound + 1e-9:
        return 0.0
    return _NEVER if math.isinf(value) else math.log2((value + unit) / (bound + unit))


def _size(tunable: Tunable, candidate: Candidate, present: FailoverSettings) -> float:
    """Return how large a change is: for numbers the binary logarithm of the factor."""
    before, after = tunable.read(present), candidate.value
    if isinstance(before, int | float) and isinstance(after, int | float) and before > 0 and after > 0:
        return max(_SMALLEST, abs(math.log2(after / before)))
    first = next((number for number, one in enumerate(tunable.candidates) if one is candidate), 0)
    # Of several new values, the largest time or number is the smallest change.
    return _NEW + (len(tunable.candidates) - 1 - first) * _SMALLEST


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)


def _plain(found: Any) -> Any:
    """Return settings without the places that they come from."""
    if isinstance(found, Value):
        return found.value
    if is_dataclass(found) and not isinstance(found, type):
        return {each.name: _plain(getattr(found, each.name)) for each in fields(found)}
    return found
