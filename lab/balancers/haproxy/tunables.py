"""The settings of HAProxy that `lab tune` may change, and how they are written into a user's file.

A change stays within the pool's own section, so that it does not affect others: a setting of `defaults` is overruled
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..configuration import CheckKind, Configuration, Edit, FailoverSettings, Place, Pool
from ..tunables import (
    ANY,
    BROKEN,
    CHECK_TIMEOUTS_S,
    CONNECT_ONLY,
    CONNECTS_S,
    COUNTS_ALL_ERRORS,
    INTERVALS_S,
    NEW_CHECKS,
    NO_SHORTER_CHECK,
    NO_SHORTER_CONNECT,
    SILENCE,
    Bounds,
    Candidate,
    Tunable,
    Writes,
    connect_timeout,
    counts,
    has_checks,
    milliseconds,
    of_checks,
    of_passive,
    of_retries,
    response_timeout,
    responses,
    retried,
    slowest_response,
    times,
)
from .server_lines import servers
from .syntax import PROXIES, Line, Section, parse

_PARAMETERS: Final = frozenset(
    {*("check", "inter", "fastinter", "downinter", "fall", "rise", "observe", "error-limit", "on-error")}
)
"""Settings of servers. All others are directives: the words before the value."""
_SERVERS: Final = frozenset({"server", "server-template", "default-server"})
_SAFE: Final = "unless { method GET HEAD OPTIONS PUT DELETE TRACE }"
_STOP: Final = "http-request disable-l7-retry"
_RETRIED: Final = (
    ("conn-failure empty-response", BROKEN),
    ("conn-failure empty-response response-timeout", SILENCE),
    ("all-retryable-errors", ANY),
)


def tunables(
    configuration: Configuration, pool: Pool, bounds: Bounds, environment: Mapping[str, str]
) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    section = _section(configuration, pool, environment)
    mode = section.find("mode")
    http = mode is not None and mode[1] == "http"
    members = servers(section)
    tracked = any("track" in each.parameters for each in members)
    checked = has_checks(pool.settings)
    if checked and not tracked:
        yield times("inter", "I", of_checks("interval_s"), INTERVALS_S)
        yield times("fastinter", "f", of_checks("doubt_interval_s"), INTERVALS_S)
        yield times("downinter", "d", of_checks("down_interval_s"), INTERVALS_S)
        yield counts("fall", "F", of_checks("fall"))
        yield counts("rise", "R", of_checks("rise"))
        yield times("timeout check", "T", _answer_timeout, CHECK_TIMEOUTS_S, least=NO_SHORTER_CHECK)
        yield _observe()
    if bounds.check_path and not tracked and http and _kind(pool.settings) is not CheckKind.HTTP:
        yield _http_checks(section, bounds.check_path, checked=checked)
    yield times("timeout connect", "C", connect_timeout, CONNECTS_S, least=NO_SHORTER_CONNECT)
    yield counts("retries", "A", lambda settings: settings.retries.attempts.value - 1, (1, 2, 3))
    again = {} if pool.settings.retries.attempts.value > 1 else {"retries": "1"}
    elsewhere = Candidate(2, {"option redispatch": "1", **again})
    yield Tunable("option redispatch", "k", of_retries("other_server_from"), (elsewhere,))
    if http:
        yield times("timeout server", "S", response_timeout, responses(bounds), least=slowest_response(bounds))
        if (retry := _retry_on(section)) is not None:
            yield retry


def _kind(settings: FailoverSettings) -> CheckKind:
    return CheckKind.NONE if settings.checks is None else settings.checks.kind.value


def _answer_timeout(settings: FailoverSettings) -> float | None:
    """Return `timeout check`, which begins after connecting; None without it, because `inter` is the limit then."""
    checks = settings.checks
    if checks is None or checks.connect_timeout_s is None:
        return None
    return round(checks.timeout_s.value - checks.connect_timeout_s.value, 6)


def _observe() -> Tunable:
    candidates = tuple(
        Candidate(limit, {"observe": "layer7", "error-limit": str(limit), "on-error": "mark-down"})
        for limit in (3, 5, 10)
    )
    return Tunable("observe", "n", of_passive("failures"), candidates, remark=COUNTS_ALL_ERRORS)


def _http_checks(section: Section, path: str, *, checked: bool) -> Tunable:
    """Return the setting that makes health checks send a request; with all times if there were no checks before."""
    request = {"option httpchk": f"GET {path}"}
    if checked:
        return Tunable("option httpchk", "", _kind, (Candidate(CheckKind.HTTP, request),))
    candidates = tuple(
        Candidate(
            (interval_s, timeout_s, fall),
            {
                "check": "",
                "inter": milliseconds(interval_s),
                "fall": str(fall),
                "timeout check": milliseconds(timeout_s),
                **request,
            },
        )
        for interval_s, timeout_s, fall in NEW_CHECKS
    )
    return Tunable("option httpchk", "I", _checks_with_answer, candidates)


def _checks_with_answer(settings: FailoverSettings) -> tuple[float, float | None, int] | None:
    checks = settings.checks
    if checks is None or checks.kind.value is not CheckKind.HTTP:
        return None
    return checks.interval_s.value, _answer_timeout(settings), checks.fall.value


def _retry_on(section: Section) -> Tunable | None:
    """Return `retry-on` with the rule that keeps a POST that was sent from being repeated."""
    stops = section.applied("http-request", "disable-l7-retry")
    if len(stops) > 1 or any(" ".join(line.values[2:]) not in {_SAFE, "if METH_POST"} for line in stops):
        return None  # a condition of the user's own
    rule = {} if stops else {_STOP: _SAFE}
    candidates = tuple(Candidate((on, CONNECT_ONLY), {"retry-on": words, **rule}) for words, on in _RETRIED)
    return Tunable("retry-on", "", retried, candidates)


def edits(configuration: Configuration, pool: Pool, writes: Writes, environment: Mapping[str, str]) -> list[Edit]:
    """Return the changes that write these settings into the pool's section."""
    section = _section(configuration, pool, environment)
    text = configuration.texts[section.head.path]
    first = next(line for line in section.lines if line[0] in _SERVERS)
    start = first.words[0].start
    indent = text[text.rfind("\n", 0, start) + 1 : start]
    found: dict[Place, Edit] = {}
    new: list[str] = []
    for name, value in writes.items():
        if name in _PARAMETERS:
            continue
        line = _own(section, name)
        told = f"{name} {value}"
        if line is None:
            new.append(told)
        elif not name.startswith(_STOP):
            found[line.place()] = Edit(line.place(), told, name)
    missing = [
        f"{name} {value}".strip()
        for name, value in writes.items()
        if name in _PARAMETERS and not _replaced(section, name, str(value), found)
    ]
    if missing and first[0] == "default-server":
        end = Place(first.path, first.number, first.words[-1].end, first.words[-1].end)
        found[end] = Edit(end, f" {' '.join(missing)}", "default-server")
    elif missing:
        new.append(f"default-server {' '.join(missing)}")
    if new:
        place = Place(first.path, first.number, start, start)
        found[place] = Edit(place, "".join(f"{each}\n{indent}" for each in new), "new lines")
    return list(found.values())


def _section(configuration: Configuration, pool: Pool, environment: Mapping[str, str]) -> Section:
    found = parse(list(configuration.texts), environment)
    return next(each for each in found.sections if each.kind in PROXIES and each.head.place() == pool.place)


def _own(section: Section, name: str) -> Line | None:
    """Return the line of the section itself that has this setting."""
    words = name.split()
    if words[0] == "option":
        kinds = {"httpchk", "tcp-check"} if words[1] == "httpchk" else {words[1]}
        lines = [
            line
            for line in section.lines
            if (line[0] == "option" and line[1] in kinds)
            or (line[0] == "no" and line[1] == "option" and line[2] in kinds)
        ]
    else:
        lines = section.own(*words)
    return lines[-1] if lines else None


def _replaced(section: Section, name: str, value: str, found: dict[Place, Edit]) -> bool:
    """Replace the parameter on all lines of the section that have it. Return whether all servers get it by that."""
    complete = True
    for server in servers(section):
        parameter = server.parameters.get(name)
        if parameter is None or parameter.line not in section.lines:
            complete = False
        elif parameter.last > parameter.first:
            place = parameter.line.place(parameter.last, parameter.last)
            found[place] = Edit(place, value, name)
    return complete
