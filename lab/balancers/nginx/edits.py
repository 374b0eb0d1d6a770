"""Changes that let nginx serve one of a user's `server` blocks from the lab's backends."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..configuration import Configuration, Edit, Listener, Place, Pool
from ..own_files import layout
from .reader import Lead, http_block, leads, targets
from .syntax import TABLES, Directive, Files, parse

CLOSED: Final = "127.0.0.1:1"
"""An address of this machine at which nothing listens (tcpmux)."""
_MODULES: Final = tuple(map(Path, ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")))
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_PLAIN: Final = "the lab sends its requests without TLS"
_ONE_CLIENT: Final = "all requests of the lab come from one address, without credentials"
_ELSEWHERE: Final = "the lab contacts only its own backends"
_REMOVED: Final = {
    **dict.fromkeys(("stream", "mail"), "the lab compares HTTP only"),
    **dict.fromkeys(("limit_req", "limit_conn", "deny", "auth_jwt"), _ONE_CLIENT),
    **dict.fromkeys(("proxy_bind", "working_directory"), "it is not on the lab's machine"),
    "ssl_engine": _PLAIN,
}
_TLS: Final = re.compile(
    r"ssl|(?:proxy_)?ssl_(?:certificate|certificate_key|trusted_certificate|client_certificate|password_file|crl|verify)"
    r"|ssl_(?:dhparam|session_ticket_key|verify_client|stapling|stapling_file|stapling_verify|early_data|conf_command)"
)
_SET_OFF: Final = {"auth_basic": _ONE_CLIENT, "auth_request": _ONE_CLIENT}
_SCHEME: Final = re.compile(r"\$(?:scheme|https|server_port|ssl_protocol|http_x_forwarded_proto)\b")
_NEVER: Final = '($request_method = "")'
_PASS: Final = re.compile(r"(?:fastcgi|uwsgi|scgi|grpc|memcached)_pass")


class _Changes:
    """Collects the edits of one configuration."""

    def __init__(self, configuration: Configuration, listener: Listener, pool: Pool) -> None:
        self.found: Files = parse(list(configuration.texts))
        self.listener = listener
        self.pool = pool
        self.edits: dict[Place, Edit] = {}
        self.places = layout(list(configuration.texts))
        http = tuple(self.found.children(http_block(self.found)))
        self.upstreams = {each.arguments[0] for each in http if each.name == "upstream"}
        server = next(each for each in http if each.name == "server" and each.place == listener.place)
        self.leads = [lead for lead in leads(self.found, server, http) if lead.pool == pool.name]

    def add(self, place: Place, text: str, reason: str) -> None:
        self.edits.setdefault(place, Edit(place, text, reason))

    def remove(self, directive: Directive, reason: str) -> None:
        """Remove a directive, but none of its lines, so that nginx's messages name the user's lines."""
        lines = self.found.texts[directive.place.path][directive.place.start : directive.place.end].count("\n")
        self.add(directive.place, "\n" * lines, reason)

    def all(self) -> list[Edit]:
        self._lead()
        self._walk(self.found.main, (self.found.main,), "main")
        return sorted(self.edits.values(), key=lambda edit: (str(edit.place.path), edit.place.start))

    def _walk(self, directives: Sequence[Directive], scopes: tuple[Sequence[Directive], ...], block: str) -> None:
        """Change the directives. `scopes`: the blocks around and with them, the innermost first."""
        if block not in TABLES:
            for each in directives:
                self._change(each, scopes, block)
        for each in directives:
            if each.included is not None:
                self._include(each)
                for path in each.included:
                    self._walk(self.found.parsed[path], scopes, block)
            elif each.opened and each.place not in self.edits:
                inner = tuple(self.found.children(each.block))
                self._walk(each.block, (inner, *scopes), each.name)
            else:
                # Files that only a removed block includes are copied too, so they may not name strangers either.
                for path in _included(each.block):
                    self._walk(self.found.parsed[path], scopes, each.name)

    def _change(self, each: Directive, scopes: tuple[Sequence[Directive], ...], block: str) -> None:
        name = each.name
        if reason := _REMOVED.get(name):
            self.remove(each, reason)
        elif _TLS.fullmatch(name):
            self.remove(each, _PLAIN)
        elif reason := _SET_OFF.get(name):
            if each.arguments != ("off",):
                self.add(each.values, "off", reason)
        elif name == "server":
            self._member(each) if block == "upstream" else self._server(each)
        elif name == "proxy_pass" or _PASS.fullmatch(name):
            self._forward(each, scopes)
        elif name == "if" and each.opened and _SCHEME.search(" ".join(each.arguments)):
            self.add(each.values, _NEVER, f"{_PLAIN}, and a redirect to TLS would lead out of the lab")
        else:
            self._host(each, block)

    def _host(self, each: Directive, block: str) -> None:
        """Change what concerns the machine: user, modules, logs, temporary files, name servers."""
        name, first = each.name, each.arguments[0] if each.arguments else ""
        if name == "user" and block == "main" and each.arguments != (getpass.getuser(),):
            self.add(each.values, getpass.getuser(), "the run's folder belongs to the user who runs the lab")
        elif name == "load_module":
            self._module(each, first)
        elif name == "resolver":
            self.add(each.values, CLOSED, "the lab asks no name server")
        elif name in ("access_log", "error_log") and not first.startswith(("/", "@")):
            if first.startswith("syslog:") or "/" in first:
                self.add(
                    each.values, "off" if name == "access_log" else "stderr", "the lab sends and keeps no such log"
                )
        elif name == "http" and each.opened:
            inner = [one.name for one in self.found.children(each.block)]
            wanted = [f"{one}_temp_path {one}_temp;" for one in _TEMPORARY if f"{one}_temp_path" not in inner]
            if "access_log" not in inner:  # without the directive there is a log too, in a folder of the system
                wanted.append("access_log access.log;")
            self.add(each.opened, " ".join(["{", *wanted]), "logs and temporary files stay in the lab's folder")

    def _module(self, each: Directive, path: str) -> None:
        found = [folder / Path(path).name for folder in (*_MODULES, Path(path).parent) if folder.is_absolute()]
        installed = next((module for module in found if module.exists()), None)
        if installed is None:
            self.remove(each, f"the module {Path(path).name} is not installed on this machine")
        elif str(installed) != path:
            self.add(each.values, str(installed), "the folder in which this machine has the module")

    def _include(self, each: Directive) -> None:
        if each.as_written:
            return
        if not each.included:
            self.remove(each, f"no file for {each.arguments[0]} was given")
            return
        copies = [f"include @DIR@/{self.places[path]};" for path in each.included]
        self.add(each.place, " ".join(copies), "the files that were given, in the lab's copy")

    def _member(self, each: Directive) -> None:
        """Replace a server of an upstream: by a backend if the upstream is the chosen one."""
        numbers = {server.place: number for number, server in enumerate(self.pool.servers, 1)}
        number = numbers.get(each.place)
        address = f"@BACKEND_{number}@" if number else CLOSED
        kept = [word for word in each.arguments[1:] if word != "resolve" and not word.startswith("service=")]
        reason = f"the lab's backend in place of {each.arguments[0]}" if number else _ELSEWHERE
        if len(kept) < len(each.arguments) - 1:
            self.add(each.values, " ".join([address, *kept]), reason)
        else:
            self.add(self._first(each), address, reason)

    def _first(self, each: Directive) -> Place:
        """Return the place of the first argument, with its quotes."""
        start = each.values.start
        quoted = self.found.texts[each.values.path][start] in "\"'"
        return replace(each.values, end=start + len(each.arguments[0]) + 2 * quoted)

    def _server(self, each: Directive) -> None:
        if each.place != self.listener.place:
            self.remove(each, f"the lab's requests go to {self.listener.name} only")
            return
        listens = [one for one in self.found.children(each.block) if one.name == "listen"]
        for listen in listens[1:]:
            self.remove(listen, "the lab's requests enter at one address")
        if listens:
            tls = ", without TLS" if {"ssl", "quic"} & set(listens[0].arguments) else ""
            told = f"the lab's address{tls} in place of {' '.join(listens[0].arguments)}"
            self.add(listens[0].values, "@LISTEN@ default_server", told)
        elif each.opened:
            self.add(each.opened, "{ listen @LISTEN@ default_server;", "the lab's address in place of port 80")

    def _forward(self, each: Directive, scopes: tuple[Sequence[Directive], ...]) -> None:
        """Send requests for other targets to a closed port. Servers of other upstreams are closed already."""
        url = each.arguments[0]
        if each.name != "proxy_pass":
            host = url.removeprefix("grpcs://").removeprefix("grpc://")
            if host not in self.upstreams:
                self.add(each.values, CLOSED, f"{_ELSEWHERE}, not {url}")
            return
        named = [pool for pool, _ in targets(each, scopes)]
        if named and "$" not in url and named[0] in self.upstreams:
            if url.startswith("https://"):
                self.add(each.values, "http" + url.removeprefix("https"), "the lab's backends speak HTTP without TLS")
            return
        self.add(each.values, f"http://{CLOSED}", f"{_ELSEWHERE}, not {url}")

    def _lead(self) -> None:
        """Let requests of any path reach the chosen pool, and let its backends see the path without the prefix."""
        if not self.leads:
            return
        first = self.leads[0]
        for lead in self.leads:
            if lead.proxy_pass.place == first.proxy_pass.place or lead.pool not in self.upstreams:
                self._pass(lead)
        shown = first.prefix.rstrip("/")
        for location in first.locations:
            if location.arguments[-1] == "/" and location.arguments[0] in ("/", "^~"):
                continue
            self.add(location.values, "~ ^/", f"the lab's requests have other paths than {location.arguments[-1]}")
            if shown and location == first.locations[-1] and location.opened:
                rewrite = f'{{ rewrite "^{re.escape(shown)}(?:/(.*))?$" /$1 break;'
                self.add(location.opened, rewrite, f"the lab's backends serve their paths without {shown}")

    def _pass(self, lead: Lead) -> None:
        url = lead.proxy_pass.arguments[0]
        name = "@BACKEND_1@" if lead.pool not in self.upstreams else lead.pool
        if f"http://{name}" == url or (url == f"http://{name}/" and lead.prefix == "/"):
            return
        told = f"the lab's backend in place of {url}" if name.startswith("@") else "the lab's backends speak plain HTTP"
        if not name.startswith("@") and not url.startswith("https:"):
            told = "the lab's backends get the path of the request"
        self.add(lead.proxy_pass.values, f"http://{name}", told)


def _included(directives: Sequence[Directive]) -> Iterator[Path]:
    for each in directives:
        yield from each.included or ()
        yield from _included(each.block)


def edits(configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
    """Return the changes, in the order of files and places."""
    return _Changes(configuration, listener, pool).all()
