"""Reads Caddy's JSON configuration, and the changes that let Caddy run on it in the lab.

https://caddyserver.com/docs/json/apps/http/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ...errors import BadArgumentsError
from ..configuration import Configuration, Edit, Listener, Place, Pool, Server, Unknown
from ..own_files import read as read_text
from .edits import CLOSED
from .settings import Options, settings

_ACTIVE: Final = ("uri", "path", "port", "upstream", "interval", "timeout", "passes", "fails")
_PASSIVE: Final = ("fail_duration", "max_fails", "unhealthy_status", "unhealthy_latency")
_BALANCING: Final = {"retries": "lb_retries", "try_duration": "lb_try_duration", "try_interval": "lb_try_interval"}
_TRANSPORT: Final = ("dial_timeout", "response_header_timeout", "read_timeout")
_TIMES: Final = ("interval", "timeout", "duration", "latency")
_KNOWN: Final = {
    *("handler", "upstreams", "load_balancing", "health_checks", "transport", "headers", "rewrite", "flush_interval"),
    *("trusted_proxies", "request_buffers", "response_buffers", "buffer_requests", "buffer_responses", "@id"),
    *("verbose_logs", "stream_timeout", "stream_close_delay"),
}
_ROUTE: Final = "the lab's requests take one route only"
_CHECKED: Final = "the lab's backends answer a check with 200 at one path, at the port that serves requests"


@dataclass(frozen=True, slots=True)
class _Item:
    """A value of the JSON text."""

    node: Node
    path: Path

    @property
    def place(self) -> Place:
        start, end = self.node.start_mark, self.node.end_mark
        return Place(self.path, start.line + 1, start.index, end.index)

    def get(self, *keys: str) -> _Item | None:
        """Return the value below these keys; None if there is none."""
        item: _Item | None = self
        for key in keys:
            item = item.fields().get(key) if item else None
        return item

    def fields(self) -> Mapping[str, _Item]:
        """Return the fields of a JSON object by name; an empty dictionary if the node is not an object."""
        if not isinstance(self.node, MappingNode):
            return {}
        return {str(key.value): _Item(value, self.path) for key, value in self.node.value}

    def items(self) -> list[_Item]:
        """Return the values of a list; nothing for any other value."""
        return [_Item(each, self.path) for each in self.node.value] if isinstance(self.node, SequenceNode) else []

    @property
    def text(self) -> str:
        return str(self.node.value) if isinstance(self.node, ScalarNode) else ""


@dataclass(frozen=True, slots=True)
class _Lead:
    """A way from a server to a `reverse_proxy` handler."""

    pool: str
    handler: _Item
    prefix: str
    host: str
    conditional: bool


def read(files: Sequence[Path]) -> Configuration:
    """Return what the file says. Raise `BadArgumentsError` if it has no HTTP servers."""
    text, root = _root(files[0])
    listeners, pools, unknown = [], [], []
    for name, server, ways in _servers(root):
        addresses = tuple(each.text for each in _list(server, "listen"))
        policies = server.get("tls_connection_policies")
        tls = policies is not None or (bool(addresses) and all(each.endswith(":443") for each in addresses))
        host, path = (ways[0].host, ways[0].prefix) if ways else ("", "/")
        named = tuple(lead.pool for lead in ways)
        listeners.append(Listener(name, server.place, addresses, tls, named, host.replace("*", "www"), path))
        for lead in ways:
            pools.append(_pool(lead))
            for key, value in lead.handler.fields().items():
                if key not in _KNOWN:
                    unknown.append(Unknown(f"{key} of {lead.pool}", value.place))
    return Configuration("caddy", {files[0]: text}, tuple(listeners), tuple(pools), tuple(unknown))


def _root(path: Path) -> tuple[str, _Item]:
    text = read_text(path)
    # ruamel.yaml takes no tabs between values. JSON has none within strings.
    node = YAML(typ="rt", pure=True).compose(text.replace("\t", " "))
    return text, _Item(node, path)


def _servers(root: _Item) -> Iterator[tuple[str, _Item, list[_Lead]]]:
    servers = root.get("apps", "http", "servers")
    if servers is None or not servers.fields():
        raise BadArgumentsError(f"{root.place}: no `apps.http.servers`", "give a configuration that serves HTTP")
    for name, server in servers.fields().items():
        unique: list[_Lead] = []
        ways = _routes(name, _list(server, "routes"), "/", "", conditional=False)
        for number, lead in enumerate(sorted(ways, key=lambda one: one.prefix != "/" or one.conditional), 1):
            taken = any(lead.pool == each.pool for each in unique)
            pool = f"{lead.pool}#{number}" if taken else lead.pool
            unique.append(_Lead(pool, lead.handler, lead.prefix, lead.host, lead.conditional))
        yield name, server, unique


def _routes(name: str, routes: Sequence[_Item], prefix: str, host: str, *, conditional: bool) -> Iterator[_Lead]:
    for route in routes:
        inner = (prefix, host, conditional)
        for match in _list(route, "match")[:1]:
            paths, hosts = _list(match, "path"), _list(match, "host")
            others = set(match.fields()) - {"path", "host"}
            inner = (
                paths[0].text.partition("*")[0] or "/" if paths else prefix,
                hosts[0].text if hosts else host,
                conditional or bool(others),
            )
        for handler in _list(route, "handle"):
            kind = handler.get("handler")
            if kind and kind.text == "subroute":
                yield from _routes(name, _list(handler, "routes"), inner[0], inner[1], conditional=inner[2])
            elif kind and kind.text == "reverse_proxy":
                pool = (inner[1] or name) + (inner[0] if inner[0] != "/" else "")
                yield _Lead(pool, handler, *inner)


def _list(item: _Item, key: str) -> list[_Item]:
    found = item.get(key)
    return found.items() if found else []


def _pool(lead: _Lead) -> Pool:
    servers = []
    for each in _list(lead.handler, "upstreams"):
        dial = each.get("dial")
        if dial:
            servers.append(Server(dial.text, dial.text, dial.place))
    return Pool(lead.pool, lead.handler.place, tuple(servers), settings(_options(lead.handler)))


def _options(handler: _Item) -> Options:
    """Return the handler's options by the names that they have in a Caddyfile."""
    options: dict[str, tuple[Sequence[str], Place]] = {}

    def take(item: _Item | None, names: Mapping[str, str]) -> None:
        for key, value in (item.fields() if item else {}).items():
            if key in names:
                options[names[key]] = (_texts(key, value), value.place)

    take(handler.get("load_balancing"), _BALANCING)
    take(handler.get("load_balancing", "selection_policy"), {"policy": "lb_policy"})
    take(handler.get("health_checks", "active"), {key: f"health_{key}" for key in _ACTIVE})
    take(handler.get("health_checks", "passive"), {key: key for key in _PASSIVE})
    take(handler.get("transport"), {key: key for key in _TRANSPORT})
    take(handler.get("transport", "keep_alive"), {"idle_timeout": "keepalive"})
    kept = handler.get("transport", "keep_alive", "enabled")
    if kept and kept.text == "false":
        options["keepalive"] = (["off"], kept.place)
    balancing = handler.get("load_balancing")
    matches = _list(balancing, "retry_match") if balancing else []
    if balancing and matches and (place := balancing.get("retry_match")):
        methods = [one.text for match in matches for one in _list(match, "method")]
        every = any("method" not in match.fields() for match in matches)
        options["lb_retry_match"] = ([], place.place)
        options["lb_retry_methods"] = ([] if every else methods, place.place)
    return options


def _texts(key: str, value: _Item) -> list[str]:
    """Return the words; a bare number of a duration is in nanoseconds."""
    texts = [each.text for each in value.items()] or [value.text]
    timed = key.endswith(_TIMES)
    return [f"{text}ns" if timed and text.isdigit() else text for text in texts]


def edits(configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
    """Return the changes, in the order of their places."""
    _, root = _root(next(iter(configuration.texts)))
    found: list[Edit] = []

    def add(item: _Item | None, text: str, reason: str) -> None:
        if item:
            found.append(Edit(item.place, text, reason))

    for number, (_, server, ways) in enumerate(_servers(root), 1):
        if server.place != listener.place:
            told = f"the lab's requests go to {listener.name} only"
            add(server.get("listen"), f'["unix/@DIR@/{number}.sock"]', told)
            add(server.get("routes"), "[]", told)
            continue
        add(server.get("listen"), '["@LISTEN@"]', f"the lab's address in place of {', '.join(listener.addresses)}")
        add(server.get("errors"), "{}", _ROUTE)
        add(server.get("logs"), "{}", "the lab keeps no such log")
        add(server.get("listener_wrappers"), "[]", "the lab's requests arrive without such a wrapper")
        add(server.get("tls_connection_policies"), "[]", "the lab sends its requests without TLS")
        routes, lead = server.get("routes"), next(each for each in ways if each.pool == pool.name)
        if routes:
            found += _only(routes.place, lead)
        found += _handler(lead)
    told = "what reaches outside the lab"
    add(root.get("logging"), "{}", told)
    add(
        root.get("storage"), '{"module": "file_system", "root": "@DIR@"}', "what Caddy stores stays in the lab's folder"
    )
    add(root.get("apps", "tls"), "{}", "the lab sends its requests without TLS")
    return sorted(found, key=lambda edit: edit.place.start)


def _only(routes: Place, lead: _Lead) -> Iterator[Edit]:
    """Yield the edits that remove all routes but the chosen handler."""
    handler, prefix = lead.handler.place, lead.prefix.rstrip("/")
    strip = f'{{"handler": "rewrite", "strip_path_prefix": "{prefix}"}}, ' if prefix else ""
    yield Edit(Place(routes.path, routes.line, routes.start, handler.start), f'[{{"handle": [{strip}', _ROUTE)
    text_line = lead.handler.node.end_mark.line + 1
    yield Edit(Place(routes.path, text_line, handler.end, routes.end), "]}]", _ROUTE)


def _handler(lead: _Lead) -> Iterator[Edit]:
    """Yield the edits within the chosen handler."""
    for number, each in enumerate(_pool(lead).servers, 1):
        yield Edit(each.place, f'"@BACKEND_{number}@"', f"the lab's backend in place of {each.address}")
    active = lead.handler.get("health_checks", "active")
    values: dict[str, Any] = {"uri": '"@HEALTH@"', "path": '"@HEALTH@"', "port": "0", "upstream": '""'}
    values |= {"method": '"GET"', "body": '""', "expect_body": '""', "expect_status": "200"}
    for key, item in (active.fields() if active else {}).items():
        if key in values:
            yield Edit(item.place, values[key], _CHECKED)
    for keys in (("transport", "tls"), ("transport", "versions"), ("rewrite",), ("handle_response",)):
        if found := lead.handler.get(*keys):
            text = {"tls": "null", "versions": '["1.1"]', "rewrite": "{}", "handle_response": "[]"}[keys[-1]]
            yield Edit(found.place, text, "the lab's backends speak plain HTTP, at their own paths")
    if dynamic := lead.handler.get("dynamic_upstreams"):
        yield Edit(dynamic.place, "null", f"the lab contacts only its own backends ({CLOSED} is closed)")
