"""The settings of Traefik that `lab tune` may change, and how they are written into a user's files.

A setting is written where the user's files describe the service, middleware or transport: in a dynamic or static file,
in the labels of a compose file, or in its flags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..configuration import Configuration, Edit, Failure, Place, Pool
from ..documents import Node, absent, assigned, loose, truth
from ..tunables import (
    ANY,
    CHECK_TIMEOUTS_S,
    CONNECT_ONLY,
    CONNECTS_S,
    EJECTIONS_S,
    INTERVALS_S,
    NEW_CHECKS,
    RESPONSES_S,
    SILENCE,
    Bounds,
    Candidate,
    Tunable,
    Writes,
    connect_timeout,
    counts,
    has_checks,
    milliseconds,
    new_checks,
    new_passive,
    of_checks,
    of_passive,
    of_retries,
    response_timeout,
    responses,
    retried,
    slowest_response,
    times,
)
from .reader import Router, http, named, words
from .sources import Sources, labels_of

RETRY: Final = "tuned-retry"
"""Name of the middleware that the tuner adds to a router without `retry`."""
_STATUSES: Final = (("502,504", SILENCE), ("500,502-504", ANY))
_BUFFERS: Final = "with `status`, Traefik keeps the body of each request; see maxRequestBodyBytes"
_TRAFFIC: Final = "errors that the application answers by itself, such as status 500, count too"

Path = tuple[str, ...]


class _Parts:
    """The service under test with its routers, and where the user's files describe them."""

    def __init__(self, configuration: Configuration, pool: Pool) -> None:
        self.sources = Sources(dict(configuration.texts))
        self.pool = pool
        documents = {path: each for path, each in self.sources.documents.items() if path.is_file()}
        self.compose = [each for each in documents.values() if each in self.sources.compose]
        self.files = [each for each in documents.values() if each not in self.compose]
        self.balancer = named(self.sources, "services", pool.name).at("loadBalancer")
        routers = (Router(self.sources, name, node) for name, node in http(self.sources, "routers"))
        self.routers = [each for each in routers if pool.name in each.services]

    @property
    def retry(self) -> str:
        """Name of the first retry middleware on the way to the service; empty if there is none."""
        every = self.routers[0].middlewares if self.routers else []
        return next((name for name, node in every if node.at("retry")), "")

    def transport(self) -> Path | None:
        """Return the path of the time-outs of connections; None if no file can have them."""
        own = self.balancer.at("serversTransport").string().partition("@")[0]
        if own:
            return ("http", "serversTransports", own, "forwardingTimeouts")
        static = self.sources.static.path.is_file() or any(map(_flags, self.compose))
        return ("serversTransport", "forwardingTimeouts") if static else None

    def document(self, path: Path) -> Node:
        """Return the file that describes the object of this path; absent if labels or flags do."""
        if path[0] != "http":
            return self.sources.static if self.sources.static.path.is_file() else absent()
        wanted = ("http", "routers", self.routers[0].name) if path[2] == RETRY else path[:3]
        return next((each for each in self.files if each.at(*wanted)), absent())


def tunables(configuration: Configuration, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    parts = _Parts(configuration, pool)
    service = f"http/services/{pool.name}/loadBalancer"
    check, passive = f"{service}/healthCheck", f"{service}/passiveHealthCheck"
    if has_checks(pool.settings):
        yield times("interval", "I", of_checks("interval_s"), INTERVALS_S, key=f"{check}/interval")
        yield times(
            "unhealthyInterval", "d", of_checks("down_interval_s"), INTERVALS_S, key=f"{check}/unhealthyInterval"
        )
        least = "no check time-out below 100 ms"
        yield times("timeout", "T", of_checks("timeout_s"), CHECK_TIMEOUTS_S, least=least, key=f"{check}/timeout")
    elif bounds.check_path:
        yield Tunable("healthCheck", "I", new_checks, tuple(_new_checks(check, bounds.check_path)))
    if pool.settings.passive is not None:
        yield counts("maxFailedAttempts", "n", of_passive("failures"), key=f"{passive}/maxFailedAttempts")
        yield times("failureWindow", "X", of_passive("ejection_s"), EJECTIONS_S, key=f"{passive}/failureWindow")
    else:
        candidates = tuple(
            Candidate(failures, {f"{passive}/maxFailedAttempts": failures, f"{passive}/failureWindow": "5s"})
            for failures in (2, 3, 5)
        )
        yield Tunable("passiveHealthCheck", "n", new_passive, candidates, remark=_TRAFFIC)
    yield from _retries(parts)
    if (path := parts.transport()) is not None:
        where = "/".join(path)
        least = "no connect time-out below 50 ms"
        yield times("dialTimeout", "C", connect_timeout, CONNECTS_S, least=least, key=f"{where}/dialTimeout")
        yield times(
            "responseHeaderTimeout",
            "S",
            response_timeout,
            responses(bounds),
            least=slowest_response(bounds),
            key=f"{where}/responseHeaderTimeout",
        )


def _new_checks(where: str, path: str) -> Iterator[Candidate]:
    for interval_s, timeout_s in dict.fromkeys((interval_s, timeout_s) for interval_s, timeout_s, _ in NEW_CHECKS):
        written = {"path": path, "interval": milliseconds(interval_s), "timeout": milliseconds(timeout_s)}
        yield Candidate((interval_s, timeout_s, 1), {f"{where}/{key}": value for key, value in written.items()})


def _retries(parts: _Parts) -> Iterator[Tunable]:
    if not parts.routers:
        return
    if not parts.retry:
        writes: dict[str, Any] = {f"http/middlewares/{RETRY}/retry/attempts": 2}
        for router in parts.routers:
            if not any(node.at("retry") for _, node in router.middlewares):
                writes[f"http/routers/{router.name}/middlewares"] = [*words(router.node.at("middlewares")), RETRY]
        yield Tunable("retry", "A", of_retries("attempts"), (Candidate(2, writes),))
        return
    where = f"http/middlewares/{parts.retry}/retry"
    node = named(parts.sources, "middlewares", parts.retry).at("retry")
    yield counts("attempts", "A", of_retries("attempts"), (2, 3), f"{where}/attempts")
    ladder = tuple(each for each in RESPONSES_S if each >= 1)
    yield times("timeout of retry", "L", of_retries("total_s"), ladder, key=f"{where}/timeout")
    connects: frozenset[Failure] = frozenset() if truth(node.at("disableRetryOnNetworkError")) else CONNECT_ONLY
    every = truth(node.at("retryNonIdempotentMethod"))
    candidates = tuple(
        Candidate((on, on if every else connects), {f"{where}/status": statuses.split(",")})
        for statuses, on in _STATUSES
    )
    yield Tunable("status", "", retried, candidates, remark=_BUFFERS)


def edits(configuration: Configuration, pool: Pool, writes: Writes) -> list[Edit]:
    """Return the changes that write these settings."""
    parts = _Parts(configuration, pool)
    values: list[tuple[Node, Path, Any]] = []
    in_compose: dict[Path, Any] = {}
    for key, value in writes.items():
        path = tuple(key.split("/"))
        document = parts.document(path)
        if document:
            values.append((document, path, value))
        else:
            in_compose[path] = ",".join(value) if isinstance(value, list) else str(value)
    return [*assigned(values), *_in_compose(parts, in_compose)]


def _in_compose(parts: _Parts, wanted: Mapping[Path, str]) -> Iterator[Edit]:
    """Yield the changes of labels and flags. A new one comes after the one that has most of its path."""
    after: dict[Place, tuple[_Word, list[str]]] = {}
    found = (word for document in parts.compose for word in _compose_words(document))
    every = {word.place: word for word in found}.values()  # services may share labels by an anchor
    for path, value in wanted.items():
        kind = [word for word in every if word.flag == (path[0] != "http")]
        if exact := [word for word in kind if word.path == _loose(path)]:
            yield from (Edit(word.place, word.replaced(value), "label") for word in exact)
            continue
        beside = max(kind, key=lambda word: _common(word.path, _loose(path)), default=None)
        if beside is not None:
            after.setdefault(beside.place, (beside, []))[1].append(beside.written(path, value))
    for beside, lines in after.values():
        yield beside.followed_by(lines)


class _Word:
    """A label or a flag of a compose file."""

    def __init__(self, node: Node, name: str, *, flag: bool, pair: bool) -> None:
        self.flag = flag
        self.path = _loose(tuple(name.removeprefix("--").split(".")[0 if flag else 1 :]))
        self.place = node.place
        self._node = node
        self._pair = pair

    def replaced(self, value: str) -> str:
        """Return the text of the item with another value."""
        text = self._node.source[self.place.start : self.place.end]
        if self._pair:
            return f'"{value}"'
        quote = text[0] if text[0] in "\"'" else ""
        return f"{text[: text.index('=') + 1]}{value}{quote}"

    def written(self, path: Path, value: str) -> str:
        """Return the text of a new item."""
        name = ".".join(path).lower()
        if self._pair:
            return f'traefik.{name}: "{value}"'
        text = f"--{name}={value}" if self.flag else f"traefik.{name}={value}"
        return f"- {text}" if re.fullmatch(r"[\w.,/=@-]+", text) else f'- "{text}"'

    def followed_by(self, lines: list[str]) -> Edit:
        """Return the addition of items after this one."""
        text = self._node.source
        start = self._node.key_start if self._pair else text.rindex("-", 0, self.place.start)
        indent = " " * (start - text.rfind("\n", 0, start) - 1)
        end = text.find("\n", self.place.end)
        end = len(text) if end < 0 else end - text.startswith("\r\n", end - 1)
        place = Place(self.place.path, self.place.line, end, end)
        return Edit(place, "".join(f"\n{indent}{line}" for line in lines), "label")


def _compose_words(document: Node) -> Iterator[_Word]:
    for service in document.at("services").mapping().values():
        for labels in labels_of(service):
            if isinstance(labels.value, list):
                for each in labels.listing():
                    if not labels.flow:
                        yield _Word(each, each.string().partition("=")[0].strip(), flag=False, pair=False)
            elif not labels.flow:
                for name, each in labels.mapping().items():
                    yield _Word(each, name, flag=False, pair=True)
        yield from _flags_of(service)


def _flags(document: Node) -> list[_Word]:
    return [word for service in document.at("services").mapping().values() for word in _flags_of(service)]


def _flags_of(service: Node) -> Iterator[_Word]:
    command = service.at("command")
    if "traefik" in str(service.at("image").value) and isinstance(command.value, list) and not command.flow:
        for each in command.listing():
            if each.string().startswith("--"):
                yield _Word(each, each.string().partition("=")[0], flag=True, pair=False)


def _loose(path: Path) -> Path:
    return tuple(map(loose, path))


def _common(one: Path, other: Path) -> int:
    """Return the number of keys at the beginning of both paths that are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
