"""The settings of nginx that `lab tune` may change, and how they are written into a user's files.

A directive that the location inherits is overruled in the location, so that other locations stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..configuration import Configuration, Edit, Place, Pool
from ..tunables import (
    ANY,
    CONNECT_ONLY,
    CONNECTS_S,
    NO_SHORTER_CONNECT,
    RESPONSES_S,
    SILENCE,
    Bounds,
    Candidate,
    Tunable,
    Writes,
    connect_timeout,
    counts,
    ejections,
    new_passive,
    of_passive,
    of_retries,
    response_timeout,
    responses,
    retried,
    slowest_response,
    times,
)
from .reader import Lead, http_block, leads, members
from .syntax import Directive, Files, parse

CANNOT: Final = (
    "nginx has no active checks: only requests that fail take a server out, and try it again after fail_timeout, "
    "which is at most --longest-ejection",
    "nginx counts fail_timeout in whole seconds",
)
_ALL_OUT: Final = "if all servers are out, nginx answers 502 until the first fail_timeout is over"
_LATE: Final = "a good response that takes longer counts against its server, too"
_PARAMETERS: Final = frozenset({"max_fails", "fail_timeout"})
"""Settings of an upstream's servers. All others are directives of a location."""
_RETRIED: Final = (
    ("error timeout", SILENCE),
    ("error timeout http_500 http_502 http_503 http_504", ANY),
)


def tunables(configuration: Configuration, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    found = parse(list(configuration.texts))
    if _upstream(found, pool) is not None:
        yield counts("max_fails", "n", new_passive)
        if pool.settings.passive is not None:
            yield times(
                "fail_timeout", "X", of_passive("ejection_s"), ejections(bounds), least="whole seconds", remark=_ALL_OUT
            )
    yield times("proxy_connect_timeout", "C", connect_timeout, CONNECTS_S, least=NO_SHORTER_CONNECT)
    yield times(
        "proxy_read_timeout", "S", response_timeout, responses(bounds), least=slowest_response(bounds), remark=_LATE
    )
    yield Tunable(
        "proxy_next_upstream",
        "",
        retried,
        tuple(Candidate((on, CONNECT_ONLY), {"proxy_next_upstream": words}) for words, on in _RETRIED),
    )
    if pool.settings.retries.on.value:
        yield counts("proxy_next_upstream_tries", "A", of_retries("attempts"), range(2, len(pool.servers) + 1))
    yield times("proxy_next_upstream_timeout", "L", of_retries("total_s"), (each for each in RESPONSES_S if each >= 1))


def edits(configuration: Configuration, pool: Pool, writes: Writes) -> list[Edit]:
    """Return the changes that write these settings into the upstream's servers and the locations that lead to it."""
    found = parse(list(configuration.texts))
    changed: dict[Place, Edit] = {}
    parameters = {name: value for name, value in writes.items() if name in _PARAMETERS}
    if parameters:
        for server in members(found, _upstream(found, pool)):
            text = found.texts[server.values.path][server.values.start : server.values.end]
            for name, value in parameters.items():
                text, number = re.subn(rf"\b{name}=\S+", f"{name}={value}", text)
                text = text if number else f"{text} {name}={value}"
            changed[server.values] = Edit(server.values, text, "upstream")
    new: dict[Place, list[str]] = {}
    for lead in _leads(found, pool):
        for name, value in writes.items():
            if name in _PARAMETERS:
                continue
            own = next((each for each in lead.scopes[0] if each.name == name), None)
            if own is not None:
                changed[own.values] = Edit(own.values, str(value), name)
            else:
                new.setdefault(_before(found, lead.proxy_pass), []).append(f"{name} {value};")
    for place, lines in new.items():
        changed[place] = Edit(place, _separated(found.texts[place.path], place, dict.fromkeys(lines)), "new lines")
    return list(changed.values())


def _separated(text: str, place: Place, lines: dict[str, None]) -> str:
    """Return the lines, each on a line of its own if what follows is."""
    indent = text[text.rfind("\n", 0, place.start) + 1 : place.start]
    return "".join(f"{line}\n{indent}" if not indent.strip() else f"{line} " for line in lines)


def _upstream(found: Files, pool: Pool) -> Directive | None:
    http = found.children(http_block(found))
    return next((each for each in http if each.name == "upstream" and each.arguments[0] == pool.name), None)


def _leads(found: Files, pool: Pool) -> Iterator[Lead]:
    http = tuple(found.children(http_block(found)))
    for server in http:
        if server.name == "server":
            yield from (lead for lead in leads(found, server, http) if lead.pool == pool.name)


def _before(found: Files, proxy_pass: Directive) -> Place:
    """Return the place before the `proxy_pass`; before the `if` around it, which may not contain time-outs."""
    around = proxy_pass
    for each in _around(found.parsed[proxy_pass.place.path], proxy_pass):
        if each.name in {"if", "limit_except"}:
            around = each
            break
    start = around.place.start
    return Place(around.place.path, around.place.line, start, start)


def _around(directives: Sequence[Directive], inner: Directive) -> Iterator[Directive]:
    """Yield the directives of the file whose blocks contain this one, the outermost first."""
    for each in directives:
        if each.block and each.place.start < inner.place.start and inner.place.end <= each.place.end:
            yield each
            yield from _around(each.block, inner)
