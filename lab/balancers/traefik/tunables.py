"""The settings of Traefik that `lab tune` may change, and how they are written into a user's files.

A setting is written where the user's files describe the service, middleware or transport: in a dynamic or static file,
in the labels of a compose file, or in its flags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ..assignment import assigned
from ..configuration import Configuration, Edit, FailoverSettings, Failure, Place, Pool
from ..documents import Node, absent, loose, truth
from ..tunables import (
    ANY,
    CHECK_TIMEOUTS_S,
    CONNECT_ONLY,
    CONNECTS_S,
    COUNTS_ALL_ERRORS,
    INTERVALS_S,
    NEW_CHECKS,
    NO_SHORTER_CHECK,
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

Path = tuple[str, ...]
_STATIC: Final[Path] = ("serversTransport", "forwardingTimeouts")


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

    def transport(self) -> Path:
        """Return the path of the time-outs of connections: the service's own, or those of all services."""
        own = self.balancer.at("serversTransport").string().partition("@")[0]
        return ("http", "serversTransports", own, "forwardingTimeouts") if own else _STATIC

    def beside(self, path: Path) -> _Word | None:
        """Return the label or flag of a compose file beside which one of this path belongs; None if there is none."""
        flag, wanted = path[0] != "http", _loose(self._described(path))
        found = [word for each in self.compose for word in _compose_words(each) if word.flag == flag]
        best = max(found, key=lambda word: _common(word.path, _loose(path)), default=None)
        if best is None or flag or _common(best.path, wanted) >= len(wanted):
            return best
        return next((word for word in found if _common(word.path, wanted) >= len(wanted)), None)

    def _described(self, path: Path) -> Path:
        """Return the path of the object, or of the router for a middleware that is not there yet."""
        return ("http", "routers", self.routers[0].name) if path[2] == RETRY else path[:3]

    def document(self, path: Path) -> Node:
        """Return the file that describes the object of this path; absent if labels or flags do."""
        if path[0] != "http":
            return self.sources.static if self.sources.static.path.is_file() else absent()
        return next((each for each in self.files if each.at(*self._described(path))), absent())


def tunables(configuration: Configuration, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    parts = _Parts(configuration, pool)
    for each in _every(parts, pool, bounds):
        paths = (tuple(key.split("/")) for one in each.candidates for key in one.writes)
        if all(parts.document(path) or parts.beside(path) for path in paths):
            yield each


def _every(parts: _Parts, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    service = f"http/services/{pool.name}/loadBalancer"
    check, passive, transport = f"{service}/healthCheck", f"{service}/passiveHealthCheck", "/".join(parts.transport())
    if has_checks(pool.settings):
        yield _times(f"{check}/interval", "I", of_checks("interval_s"), INTERVALS_S)
        yield _times(f"{check}/unhealthyInterval", "d", of_checks("down_interval_s"), INTERVALS_S)
        least = NO_SHORTER_CHECK
        yield _times(f"{check}/timeout", "T", of_checks("timeout_s"), CHECK_TIMEOUTS_S, least)
    elif bounds.check_path:
        yield Tunable("healthCheck", "I", new_checks, tuple(_new_checks(check, bounds.check_path)))
    if pool.settings.passive is not None:
        yield counts("maxFailedAttempts", "n", of_passive("failures"), key=f"{passive}/maxFailedAttempts")
        yield _times(f"{passive}/failureWindow", "X", of_passive("ejection_s"), ejections(bounds))
    else:
        candidates = tuple(
            Candidate(failures, {f"{passive}/maxFailedAttempts": failures, f"{passive}/failureWindow": "5s"})
            for failures in (2, 3, 5)
        )
        yield Tunable("passiveHealthCheck", "n", new_passive, candidates, remark=COUNTS_ALL_ERRORS)
    yield from _retries(parts)
    yield _times(f"{transport}/dialTimeout", "C", connect_timeout, CONNECTS_S, NO_SHORTER_CONNECT)
    least = slowest_response(bounds)
    yield _times(f"{transport}/responseHeaderTimeout", "S", response_timeout, responses(bounds), least)


def _times(
    key: str, symbol: str, read: Callable[[FailoverSettings], Any], ladder: Iterable[float], least: str = ""
) -> Tunable:
    """Return a setting that is a time, named after the last two parts of its path."""
    return times(".".join(key.split("/")[-2:]), symbol, read, ladder, least=least, key=key)


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
    yield counts("retry.attempts", "A", of_retries("attempts"), (2, 3), f"{where}/attempts")
    ladder = tuple(each for each in RESPONSES_S if each >= 1)
    yield _times(f"{where}/timeout", "L", of_retries("total_s"), ladder)
    connects: frozenset[Failure] = frozenset() if truth(node.at("disableRetryOnNetworkError")) else CONNECT_ONLY
    every = truth(node.at("retryNonIdempotentMethod"))
    candidates = tuple(
        Candidate((on, on if every else connects), {f"{where}/status": statuses.split(",")})
        for statuses, on in _STATUSES
    )
    yield Tunable("retry.status", "", retried, candidates, remark=_BUFFERS)


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
        exact = [word for word in every if word.flag == (path[0] != "http") and word.path == _loose(path)]
        yield from (Edit(word.place, word.replaced(value), "label") for word in exact)
        beside = parts.beside(path)
        if not exact and beside is not None:
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
