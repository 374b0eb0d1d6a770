"""The settings of Caddy that `lab tune` may change, and how they are written into a Caddyfile or a JSON configuration.

Settings are named as in a Caddyfile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..assignment import assigned
from ..configuration import Configuration, Edit, Failure, Place, Pool
from ..documents import Node, read_yaml
from ..tunables import (
    CHECK_TIMEOUTS_S,
    CONNECTS_S,
    COUNTS_ALL_ERRORS,
    INTERVALS_S,
    NEW_CHECKS,
    NO_SHORTER_CHECK,
    NO_SHORTER_CONNECT,
    RESPONSES_S,
    Bounds,
    Candidate,
    Tunable,
    Writes,
    connect_timeout,
    counts,
    ejections,
    has_checks,
    milliseconds,
    new_checks,
    new_passive,
    of_checks,
    of_passive,
    of_retries,
    response_timeout,
    responses,
    slowest_response,
    times,
)
from .reader import Lead, leads
from .syntax import Caddyfiles, Segment

_TRANSPORT: Final = frozenset({"dial_timeout", "response_header_timeout"})
_JSON: Final = {
    "lb_retries": ("load_balancing", "retries"),
    "lb_try_duration": ("load_balancing", "try_duration"),
    "lb_try_interval": ("load_balancing", "try_interval"),
    "fail_duration": ("health_checks", "passive", "fail_duration"),
    "max_fails": ("health_checks", "passive", "max_fails"),
    "unhealthy_status": ("health_checks", "passive", "unhealthy_status"),
    "dial_timeout": ("transport", "dial_timeout"),
    "response_header_timeout": ("transport", "response_header_timeout"),
    **{f"health_{key}": ("health_checks", "active", key) for key in ("uri", "interval", "timeout", "fails", "passes")},
}
"""Setting → keys below the `reverse_proxy` handler."""


def tunables(pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    if has_checks(pool.settings):
        yield times("health_interval", "I", of_checks("interval_s"), INTERVALS_S)
        yield times("health_timeout", "T", of_checks("timeout_s"), CHECK_TIMEOUTS_S, least=NO_SHORTER_CHECK)
        yield counts("health_fails", "F", of_checks("fall"))
        yield counts("health_passes", "R", of_checks("rise"))
    elif bounds.check_path:
        yield Tunable("health_uri", "I", new_checks, tuple(_new_checks(bounds.check_path)))
    yield times("fail_duration", "X", of_passive("ejection_s"), ejections(bounds))
    if pool.settings.passive is not None:
        yield counts("max_fails", "n", new_passive)
        counted = pool.settings.passive.counted.value | {Failure.ERROR}
        errors = Candidate(counted, {"unhealthy_status": "5xx"})
        yield Tunable("unhealthy_status", "", of_passive("counted"), (errors,), remark=COUNTS_ALL_ERRORS)
    yield from _retries(pool)
    yield times("dial_timeout", "C", connect_timeout, CONNECTS_S, least=NO_SHORTER_CONNECT)
    yield times("response_header_timeout", "S", response_timeout, responses(bounds), least=slowest_response(bounds))


def _new_checks(path: str) -> Iterator[Candidate]:
    for interval_s, timeout_s, fall in NEW_CHECKS:
        writes = {
            "health_uri": path,
            "health_interval": milliseconds(interval_s),
            "health_timeout": milliseconds(timeout_s),
            "health_fails": str(fall),
        }
        yield Candidate((interval_s, timeout_s, fall), writes)


def _retries(pool: Pool) -> Iterator[Tunable]:
    """Without `lb_try_duration`, the number of attempts is that of `lb_retries`, and one more."""
    if pool.settings.retries.total_s.value is None:
        yield counts("lb_retries", "A", lambda settings: settings.retries.attempts.value - 1, (1, 2, 3))
        return
    pause_s = pool.settings.retries.pause_s.value

    def read(settings: Any) -> float | None:
        total: float | None = settings.retries.total_s.value
        return None if total is None else round(total - settings.retries.pause_s.value, 6)

    yield times("lb_try_duration", "L", read, (each for each in RESPONSES_S if each >= max(0.5, pause_s)))
    yield times("lb_try_interval", "P", of_retries("pause_s"), (0.05, 0.1, 0.25))


def edits(configuration: Configuration, pool: Pool, writes: Writes, *, json: bool) -> list[Edit]:
    """Return the changes that write these settings."""
    if json:
        return _json_edits(configuration, pool, writes)
    found = Caddyfiles(list(configuration.texts))
    lead = next(lead for _, ways in leads(found) for lead in ways if lead.pool == pool.name)
    return list(_Caddyfile(found, lead).edits(writes))


def _json_edits(configuration: Configuration, pool: Pool, writes: Writes) -> list[Edit]:
    path, text = next(iter(configuration.texts.items()))
    root = read_yaml(path, text.replace("\t", " "))
    handler = next(node for node in root.walk() if node.place == pool.place)
    values: list[tuple[Node, tuple[str, ...], Any]] = []
    for name, value in writes.items():
        keys, written = _JSON[name], [5] if name == "unhealthy_status" else value
        values.append((handler, keys, written))
        if keys[0] == "transport" and not handler.at("transport"):
            values.append((handler, ("transport", "protocol"), "http"))
    return assigned(values)


class _Caddyfile:
    """Writes options into the block of one `reverse_proxy`."""

    def __init__(self, found: Caddyfiles, lead: Lead) -> None:
        self._found = found
        self._lead = lead

    def edits(self, writes: Writes) -> Iterator[Edit]:
        outer = {name: str(value) for name, value in writes.items() if name not in _TRANSPORT}
        inner = {name: str(value) for name, value in writes.items() if name in _TRANSPORT}
        transport = next((each for each in self._lead.inner if each.name == "transport"), None)
        lines = []
        for name, value in outer.items():
            own = [each for each in self._lead.inner if each.name == name]
            if own:
                yield _replaced(own[-1], value)
            else:
                lines.append(f"{name} {value}")
        if inner and transport is None:
            lines += ["transport http {", *(f"\t{name} {value}" for name, value in inner.items()), "}"]
        elif transport is not None:
            new = []
            for name, value in inner.items():
                own = [each for each in transport.block if each.name == name]
                if own:
                    yield _replaced(own[-1], value)
                else:
                    new.append(f"{name} {value}")
            yield from self._within(transport, new)
        yield from self._within(self._lead.proxy, lines)

    def _within(self, block: Segment, lines: Sequence[str]) -> Iterator[Edit]:
        """Yield the addition of lines at the end of a block, or of a block if there is none."""
        if not lines:
            return
        text = self._found.texts[block.place.path]
        line = text.rfind("\n", 0, block.place.start) + 1
        indent = text[line : len(text) - len(text[line:].lstrip(" \t"))]
        step = "\t" if "\t" in indent or not indent else "    "
        if block.block:
            last = block.block[0].place
            start = text.rfind("\n", 0, last.start) + 1
            step = text[start : last.start].removeprefix(indent) or step
        step = step if not step.strip() else "\t"
        added = "".join(f"{indent}{step}{each.replace(chr(9), step)}\n" for each in lines)
        if block.opened is None:
            end = block.place.end
            yield Edit(Place(block.place.path, block.place.line, end, end), f" {{\n{added}{indent}}}", "block")
            return
        closing = block.place.end - 1
        start = text.rfind("\n", 0, closing) + 1
        yield Edit(Place(block.place.path, block.place.line, start, start), added, "new lines")


def _replaced(option: Segment, value: str) -> Edit:
    """Return the replacement of an option's values."""
    first, last = option.words[1].place, option.words[-1].place
    return Edit(Place(first.path, first.line, first.start, last.end), value, option.name)
