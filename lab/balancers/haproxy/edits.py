"""Changes that let HAProxy serve one of a user's frontends from the lab's backends.

No change adds or removes a line, so that HAProxy's messages name the user's lines; only a `server-template` becomes
several lines.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import Configuration, Edit, Listener, Place, Pool
from .reader import SPEAKS, check_path, is_tls
from .server_lines import AGENT, ELSEWHERE, NAMES, PROXY_PROTOCOL, TLS, Parameter, ServerLine, parameters, servers
from .syntax import PROXIES, Files, Line, Section, parse, unset

CLOSED: Final = "127.0.0.1:1"
"""An address of this machine at which nothing listens (tcpmux)."""
_CLIENTS: Final = "the lab's clients send plain HTTP from one address, without credentials"
_BACKENDS: Final = "the lab's backends speak plain HTTP at one port each"
_HOST: Final = "the lab runs HAProxy in the foreground, in a folder and a network of its own"
_ELSEWHERE: Final = "the lab contacts only its own backends"
_GLOBAL: Final = frozenset(
    {
        *("chroot", "user", "group", "uid", "gid", "daemon", "pidfile", "master-worker", "nbproc", "ulimit-n"),
        *("unix-bind", "zero-warning", "setcap", "server-state-file", "node"),
    }
)
_REMOVED_PARAMETERS: Final = {
    **dict.fromkeys(TLS | PROXY_PROTOCOL, _BACKENDS),
    **dict.fromkeys(NAMES, "the lab's backends have addresses, not names"),
    **dict.fromkeys(ELSEWHERE, _ELSEWHERE),
    **dict.fromkeys(AGENT, "the lab's backends have no agent"),
}
_BIND_KEPT: Final = {
    "backlog": 2,
    "maxconn": 2,
    "name": 2,
    "id": 2,
    "nice": 2,
    "tcp-ut": 2,
    "defer-accept": 1,
    "tfo": 1,
}
"""Parameters of `bind` that stay, with their number of words."""
_REFUSES: Final = frozenset({"deny", "tarpit", "auth", "reject", "silent-drop"})
_REWRITES: Final = frozenset(
    {*("set-path", "replace-path", "set-uri", "replace-uri", "set-pathq", "replace-pathq", "set-query", "set-method")}
)
_HEALTH: Final = re.compile(
    r"(?<![\w.-])(?:nbsrv|srv_is_up|srv_conn|srv_conn_free|srv_queue|be_conn|be_conn_free|avg_queue|queue|connslots)"
    r"(?![\w.-])"
)
"""Sample fetches whose value depends on failover; rules that use them stay."""
_FACILITY: Final = frozenset(
    {
        *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp"),
        *("audit", "alert", "cron2", *(f"local{number}" for number in range(8))),
    }
)
_FILES: Final = re.compile(r"\b(?:map|map_\w+)\((?P<map>/[^,)]+|[^,()\s]+\.\w+)")
_CONNECTIONS: Final = 2
"""File descriptors of a proxied connection: one to the client, one to the server."""
_SPARE: Final = 200
"""File descriptors that are kept free for listeners, checks and logs."""


def edits(configuration: Configuration, listener: Listener, pool: Pool, environment: Mapping[str, str]) -> list[Edit]:
    """Return the changes. Raise `BadArgumentsError` if the lab cannot take the place of the pool."""
    return _Changes(parse(list(configuration.texts), environment), listener, pool).all()


class _Changes:
    """Collects the changes of one configuration."""

    def __init__(self, found: Files, listener: Listener, pool: Pool) -> None:
        self.found = found
        self.by_line: dict[tuple[Path, int], list[Edit]] = {}
        self.front = _section(found, listener.place)
        self.pool = _section(found, pool.place)
        self.backends = {server.name: f"@BACKEND_{number}@" for number, server in enumerate(pool.servers, 1)}
        self.tracked = dict(self._tracked())

    def all(self) -> list[Edit]:
        for section in self.found.sections:
            if section.kind == "global":
                self._global(section)
            self._log(section)
            if section.kind in PROXIES or section.kind in {"peers", "ring", "log-forward"}:
                self._binds(section)
                self._servers(section)
            self._addresses(section)
        for section in (self.front, self.pool):
            self._rules(section)
        self._route()
        for section in self._checked():
            self._checks(section)
        self._files()
        self._variables()
        return [edit for each in self.by_line.values() for edit in each]

    def change(self, line: Line, text: str, reason: str, first: int = 0, last: int = -1) -> None:
        """Replace words, unless the line has no such words or a part of them is changed already."""
        if first < len(line.words) and not self._touched(place := line.place(first, last)):
            self.by_line.setdefault((place.path, place.line), []).append(Edit(place, text, reason))

    def _touched(self, place: Place) -> bool:
        changes = self.by_line.get((place.path, place.line), ())
        return any(each.place.start < place.end and place.start < each.place.end for each in changes)

    def _global(self, section: Section) -> None:
        for line in section.lines:
            if line[0] in _GLOBAL or line.values[:2] == ("stats", "socket"):
                self.change(line, "", _HOST)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = (limit - _SPARE) // _CONNECTIONS
        for line in section.own("maxconn"):
            if limit != resource.RLIM_INFINITY and line[1].isdigit() and int(line[1]) > most:
                self.change(line, str(most), f"a process may open at most {limit} files here", 1)

    def _log(self, section: Section) -> None:
        """Let the first log target of a section be standard output, which the lab keeps, and remove the others."""
        lines = [line for line in section.own("log") if line[1] not in {"global", "stdout", "stderr"}]
        for number, line in enumerate(lines):
            facility = next((at for at, word in enumerate(line.values[2:], 2) if word in _FACILITY), None)
            if number or facility is None or section.own("log", "stdout"):
                self.change(line, "", _HOST)
            else:
                self.change(line, "stdout format raw", _HOST, 1, facility - 1)

    def _binds(self, section: Section) -> None:
        lines = section.own("bind")
        entry = None
        if section is self.front:
            entry = next((line for line in lines if not is_tls(line)), lines[0])
        for line in lines:
            if line is not entry:
                self.change(line, "", "the lab uses one address, and others must not be opened here")
                continue
            without = ", without TLS, which the lab's clients do not speak" if is_tls(line) else ""
            kept = [word for index in _kept(line) for word in [line[index]]]
            self.change(line, " ".join(["@LISTEN@", *kept]), f"the lab's requests enter here{without}", 1)

    def _servers(self, section: Section) -> None:
        """Servers of the pool become the lab's backends; all others get a closed address and are disabled."""
        if section.kind not in PROXIES:
            for line in section.lines:
                if line[0] in {"server", "peer"} and line[2]:
                    self.change(line, CLOSED, _ELSEWHERE, 2)
            return
        for server in servers(section):
            backends = [self._backend(section, name) for name in server.names]
            if None in backends or not (server.in_use or (section.name, server.names[0]) in self.tracked):
                reason = (
                    f"{_ELSEWHERE}, and they take the place of servers in use" if section is self.pool else _ELSEWHERE
                )
                self.change(server.line, f"{CLOSED} disabled", reason, server.at)
            elif server.line[0] == "server-template":
                self._template(server, [each or "" for each in backends])
            else:
                address = server.line[server.at]
                self.change(server.line, backends[0] or "", f"backend of the lab for {address}", server.at, server.at)
                self._parameters(parameters(server.line, server.at + 1))

    def _backend(self, section: Section, name: str) -> str | None:
        if section is self.pool and name in self.backends:
            return self.backends[name]
        return self.tracked.get((section.name, name))

    def _tracked(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield (pool, server) whose health a server of the pool follows by `track`, with the backend."""
        for server in servers(self.pool):
            if (track := server.parameters.get("track")) is not None and server.names[0] in self.backends:
                where, _, name = track.value.rpartition("/")
                yield (where or self.pool.name, name), self.backends[server.names[0]]

    def _checked(self) -> list[Section]:
        """Return the sections whose checks decide about the pool's servers."""
        names = {self.pool.name, *(where for where, _ in self.tracked)}
        return [each for each in self.found.proxies("backend", "listen") if each.name in names]

    def _template(self, server: ServerLine, backends: Sequence[str]) -> None:
        kept = [word for each in parameters(server.line, server.at + 1) if each.name not in _REMOVED_PARAMETERS
                for word in each.line.values[each.first : each.last + 1]]  # fmt: skip
        lines = (" ".join(["server", *pair, *map(_quoted, kept)]) for pair in zip(server.names, backends, strict=True))
        self.change(server.line, "\n    ".join(lines), f"backends of the lab for {server.line[server.at]}")

    def _parameters(self, found: Iterator[Parameter]) -> None:
        for each in found:
            if (reason := _REMOVED_PARAMETERS.get(each.name)) is not None:
                self.change(each.line, "", reason, each.first, each.last)

    def _addresses(self, section: Section) -> None:
        """Change what else names another host, and parameters that all servers get."""
        for line in section.lines:
            if section.kind == "resolvers" and line[0] == "nameserver":
                self.change(line, CLOSED, _ELSEWHERE, 2)
            elif section.kind == "mailers" and line[0] == "mailer":
                self.change(line, CLOSED, _ELSEWHERE, 2, 2)
            elif line[0] in {"parse-resolv-conf", "source", "dispatch", "dgram-bind"}:
                self.change(line, "", _ELSEWHERE)
            elif line[0] in {"http-check", "tcp-check"} and line[1] == "connect":
                self.change(line, "", _BACKENDS, 2)
            elif line[0] == "default-server":
                self._parameters(parameters(line, 1))

    def _rules(self, section: Section) -> None:
        """Remove rules that would not let the lab's requests through, unless they depend on failover."""
        by_failover = self._depends_on_failover(section)
        for line in (line for each in section.chain() for line in each.lines):
            rule = [word for word in line.values if word not in {"connection", "content", "session"}]
            refuses = rule[0] in {"http-request", "tcp-request"} and len(rule) > 1 and rule[1] in _REFUSES
            text = " ".join(line.values)
            secure = rule[:1] == ["redirect"] or rule[:2] == ["http-request", "redirect"]
            secure = secure and ("https" in text or "ssl_fc" in text)
            if rule[0] == "rate-limit" or ((refuses or secure) and not by_failover(line)):
                self.change(line, "", _CLIENTS)
            elif rule[0] == "http-request" and len(rule) > 1 and rule[1] in _REWRITES:
                self.change(line, "", "the lab's backends have only the paths that the lab requests")
            elif line[0] == "use-server" and not by_failover(line):
                self.change(line, "", "the lab's requests use all servers")

    def _route(self) -> None:
        """Send all requests of the frontend to the pool.

        A `use_backend` rule stays if its condition depends on failover, such as `nbsrv(app) lt 2`.
        """
        reason = f"all requests of the lab go to {self.pool.name}"
        by_failover = self._depends_on_failover(self.front)
        rules = [line for line in self.front.own("use_backend") if not by_failover(line)]
        default = next(iter(reversed(self.front.own("default_backend"))), None)
        usual = self.front.find("default_backend")
        served = self.front is self.pool or (usual is not None and usual[1] == self.pool.name)
        if not served and default is not None:
            self.change(default, self.pool.name, reason, 1)
        elif not served and rules:
            self.change(rules.pop(0), f"default_backend {self.pool.name}", reason)
        for line in rules:
            self.change(line, "", reason)

    def _depends_on_failover(self, section: Section) -> Callable[[Line], bool]:
        """Return a function that tells whether a line's condition depends on failover, directly or through an `acl`."""
        acls = [line for each in section.chain() for line in each.own("acl")]
        names = {line[1] for line in acls if _HEALTH.search(" ".join(line.values[2:]))}

        def depends(line: Line) -> bool:
            at = next((at for at, word in enumerate(line.values) if word in {"if", "unless"}), len(line.words))
            text = " ".join(line.values[at:])
            return _HEALTH.search(text) is not None or not names.isdisjoint(re.findall(r"[\w.:-]+", text))

        return depends

    def _checks(self, section: Section) -> None:
        """Let HTTP checks request the path that the lab's backends have. Refuse checks of other protocols."""
        if not any("check" in server.parameters for server in servers(section)):
            return
        kind = section.option("httpchk", "tcp-check", *SPEAKS)
        says = [line for line in section.applied("tcp-check") if line[1].startswith(("send", "expect"))]
        if kind is not None and (kind[1] in SPEAKS or (kind[1] == "tcp-check" and says)):
            raise BadArgumentsError(
                f"{kind.place()}: the checks of {section.name} ({' '.join(kind.values)}) speak a protocol that the "
                "lab's backends do not answer: they speak HTTP",
                "choose another pool, or give a copy of the file with other checks",
            )
        if kind is not None and kind[1] == "httpchk":
            self._http_checks(section, kind)

    def _http_checks(self, section: Section, option: Line) -> None:
        reason = "the request to which the lab's backends answer how they are"
        sends = section.applied("http-check", "send")
        methods = [(line, line.values.index("meth") + 1) for line in sends if "meth" in line.values[2:-1]]
        path = check_path(section)
        if not methods and len(option.words) > 3:
            methods = [(option, 2)]
        for line, at in methods:
            if line[at] not in {"GET", "HEAD"}:
                self.change(line, "GET", reason, at, at)
        if path is not None and (methods or path[0] is not option):
            self.change(path[0], "@HEALTH@", reason, path[1], path[1])
        else:  # the method is OPTIONS if the file names none
            self.change(option, f"option httpchk {'' if methods else 'GET '}@HEALTH@", reason)
        for line in sends:
            for at in (at for at, word in enumerate(line.values) if word in {"body", "body-lf"}):
                self.change(line, "", reason, at, at + 1)
        for line in section.applied("http-check", "expect"):
            if not any(word in {"status", "rstatus"} for word in line.values[2:]):
                self.change(line, "status 200", "the lab's backends answer with their own text", 2)

    def _files(self) -> None:
        """Remove error pages that are missing. Raise `BadArgumentsError` for other files, because rules need them."""
        missing = []
        for section in self.found.sections:
            for line in section.lines:
                for at, name in _named(line):
                    if Path(name).exists() or self._touched(line.place(at, at)):
                        continue
                    if line[0] == "errorfile":
                        self.change(line, "", "the file is not on this machine, and decides only how an error looks")
                    elif line[0].startswith("ssl-"):
                        self.change(line, "", "the file is not on this machine, and the lab uses no TLS")
                    else:
                        missing.append(f"{line.place(at, at)}: {name}")
        if missing:
            raise BadArgumentsError(
                "files that the configuration reads are not on this machine:",
                "put them at these paths, or remove the lines from a copy of the file",
                tuple(missing),
            )

    def _variables(self) -> None:
        """Write the values of environment variables into the text: the lab's processes do not get the variables."""
        for section in self.found.sections:
            for line in section.lines:
                for at, word in enumerate(line.words):
                    if not word.variables or "HAPROXY_" in self._text(line, at) or self._touched(line.place(at, at)):
                        continue
                    if word.unset:
                        raise unset(word.unset, line)
                    self.change(line, _quoted(word.value), "the value of the environment variable", at, at)

    def _text(self, line: Line, at: int) -> str:
        word = line.words[at]
        return self.found.texts[line.path][word.start : word.end]


def _section(found: Files, place: Place) -> Section:
    return next(each for each in found.sections if each.head.place() == place)


def _kept(bind: Line) -> Iterator[int]:
    """Yield the indexes of the words of a `bind` line that stay."""
    at = 2
    while at < len(bind.words):
        number = _BIND_KEPT.get(bind[at], 0)
        yield from range(at, min(at + number, len(bind.words)))
        at += max(1, number)


def _named(line: Line) -> Iterator[tuple[int, str]]:
    """Yield (index of the word, path) for each file that the line needs."""
    if line[0] == "errorfile" and line[2]:
        yield 2, line[2]
    elif line[0] in {"lua-load", "lua-load-per-thread", "ssl-dh-param-file"} and line[1]:
        yield 1, line[1]
    for at, word in enumerate(line.values):
        if word == "-f" and line[at + 1]:
            yield at + 1, line[at + 1]
        elif match := _FILES.search(word):
            yield at, match["map"]
        elif word == "config" and line[0] == "filter" and line[at + 1]:
            yield at + 1, line[at + 1]


def _quoted(value: str) -> str:
    """Return the word as HAProxy reads it back."""
    if re.fullmatch(r"[^\s#\"'\\$]+", value):
        return value
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'
