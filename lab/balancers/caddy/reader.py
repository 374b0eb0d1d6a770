"""Reads Caddyfiles into the parts that decide failover."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import Configuration, Listener, Place, Pool, Server, Unknown
from .settings import KNOWN, Options, pinned, settings
from .syntax import Caddyfiles, Segment, Word

GROUPS: Final = ("handle", "handle_path", "route")
"""Directives whose blocks hold other directives, for the requests that a matcher selects."""
ANSWERS: Final = ("redir", "abort", "error")
"""Directives that answer before any proxy is asked."""
_TRANSPORT: Final = ("dial_timeout", "response_header_timeout", "read_timeout", "keepalive")
_TRANSPORT_KNOWN: Final = re.compile(
    r"tls\w*|\w+_buffer\w*|compression|versions|write_timeout|keepalive_\w+|max_conns_per_host|local_address"
)
_LIMITS: Final = ("max_conns_per_host", "unhealthy_request_count")
_DIRECTIVES: Final = {
    *("abort", "acme_server", "basic_auth", "basicauth", "bind", "encode", "error", "file_server", "forward_auth"),
    *("fs", "handle", "handle_path", "header", "import", "invoke", "log", "log_append", "log_skip", "log_name", "map"),
    *("method", "metrics", "php_fastcgi", "push", "redir", "request_body", "request_header", "respond"),
    *("reverse_proxy", "rewrite", "root", "route", "skip_log", "templates", "tls", "tracing", "try_files", "uri"),
    "vars",
}
_RANGE: Final = re.compile(r"(?P<host>.*:)(?P<first>\d+)-(?P<last>\d+)")


@dataclass(frozen=True, slots=True)
class Lead:
    """A way from a site to a `reverse_proxy`."""

    pool: str
    proxy: Segment
    inner: tuple[Segment, ...]
    """The proxy's own options, imports followed."""
    chain: tuple[Segment, ...]
    """The groups around it, the outermost first."""
    prefix: str
    host: str
    conditional: bool
    """Whether a matcher other than path and host decides too."""

    @property
    def upstreams(self) -> list[tuple[Word, list[str]]]:
        """Words that name upstreams, each with its addresses: several for a range of ports."""
        words = [word for word in self.proxy.words[1:] if not is_matcher(word)]
        words += [word for each in self.inner if each.name == "to" for word in each.words[1:]]
        return [(word, list(_addresses(word.text))) for word in words]

    @property
    def dynamic(self) -> Segment | None:
        """The `dynamic` line, whose upstreams are looked up at run time."""
        return next((each for each in self.inner if each.name == "dynamic"), None)


def read(files: Sequence[Path]) -> Configuration:
    """Return what the files say. Raise `BadArgumentsError` with file and line for what is no Caddyfile."""
    found = Caddyfiles(files)
    _refuse_others(found)
    plain = any(each.text == "auto_https off" for each in found.options)
    listeners, pools, unknown = [], [], []
    for site, ways in leads(found):
        listeners.append(_listener(site, ways, plain=plain))
        pools += [pool(lead) for lead in ways]
        unknown += [one for lead in ways for one in _unknown(lead)]
        for each in found.expanded(site.block):
            if each.name not in _DIRECTIVES and not each.name.startswith("@"):
                unknown.append(Unknown(each.text, each.place))
    for path in found.unused:
        unknown.append(Unknown(f"no file imports {path.name}", Place(path, 1, 0, 0)))
    return Configuration("caddy", found.texts, tuple(listeners), tuple(pools), tuple(dict.fromkeys(unknown)))


def _refuse_others(found: Caddyfiles) -> None:
    """Raise `BadArgumentsError` if the file has no site, or looks like another program's."""
    if not found.sites:
        raise BadArgumentsError(f"{found.given[0].name}:1: the file has no site", "give the main Caddyfile first")
    for site in found.sites:
        names = {each.name for each in site.block if not each.name.startswith("@")}
        address = all(re.search(r"[.:*{]|^localhost$", each) for each in addresses(site))
        if names and not (names <= _DIRECTIVES if not address else names & _DIRECTIVES):
            raise BadArgumentsError(f"{site.place}: {site.text!r} is no site of Caddy", "give a Caddyfile, or JSON")


def leads(found: Caddyfiles) -> Iterator[tuple[Segment, list[Lead]]]:
    """Yield each site with its ways to pools: those for any request first, then as in the file."""
    names: set[str] = set()
    for site in found.sites:
        first = addresses(site)[0].removeprefix("http://").removeprefix("https://")
        ways = sorted(_ways(found, first, site.block, (), {}, ("/", "", False)), key=_special)
        unique = []
        for lead in ways:
            name, number = lead.pool, 2
            while name in names:
                name, number = f"{lead.pool}#{number}", number + 1
            names.add(name)
            unique.append(Lead(name, lead.proxy, lead.inner, lead.chain, lead.prefix, lead.host, lead.conditional))
        yield site, unique


def _special(lead: Lead) -> bool:
    return lead.prefix != "/" or bool(lead.host) or lead.conditional


def addresses(site: Segment) -> list[str]:
    """Return the site's addresses as the file writes them."""
    return [part for word in site.words for part in word.text.split(",") if part]


def is_matcher(word: Word) -> bool:
    """Return whether the word after a directive selects requests."""
    return word.text == "*" or word.text.startswith(("/", "@"))


def matcher_of(each: Segment) -> Word | None:
    """Return the directive's matcher; None if it is for all requests."""
    if len(each.words) < 2 or not is_matcher(each.words[1]):
        return None
    # In `redir /new`, the path is the target.
    target = each.name in ("redir", "error") and len(each.words) == 2 and each.words[1].text.startswith("/")
    return None if target else each.words[1]


def _ways(
    found: Caddyfiles,
    site: str,
    block: Sequence[Segment],
    chain: tuple[Segment, ...],
    outer: Mapping[str, Sequence[Segment]],
    reached: tuple[str, str, bool],
) -> Iterator[Lead]:
    inner = found.expanded(block, chain[-1].origins if chain else ())
    if any(each.name in ANSWERS and matcher_of(each) is None for each in inner):
        return
    matchers = {**outer, **{each.name: _conditions(each) for each in inner if each.name.startswith("@")}}
    for each in inner:
        if each.name not in (*GROUPS, "reverse_proxy"):
            continue
        prefix, host, conditional = _narrowed(reached, matcher_of(each), matchers)
        if each.name in GROUPS:
            yield from _ways(found, site, each.block, (*chain, each), matchers, (prefix, host, conditional))
            continue
        options = tuple(found.expanded(each.block, each.origins))
        name = (host or site) + (prefix if prefix != "/" else "")
        yield Lead(name, each, options, chain, prefix, host, conditional)


def _conditions(named: Segment) -> list[Segment]:
    """Return the conditions of `@name path /a` or of a block."""
    if named.block:
        return list(named.block)
    return [Segment(named.words[1:], named.place)] if len(named.words) > 1 else []


def _narrowed(
    reached: tuple[str, str, bool], matcher: Word | None, matchers: Mapping[str, Sequence[Segment]]
) -> tuple[str, str, bool]:
    """Return the prefix and host that a request needs once the matcher applies too."""
    prefix, host, conditional = reached
    if matcher is None or matcher.text == "*":
        return reached
    if matcher.text.startswith("/"):
        return matcher.text.partition("*")[0] or "/", host, conditional
    for each in matchers.get(matcher.text, ()):
        words = [word.text for word in each.words[1:]]
        if each.name == "path" and words and words[0].startswith("/"):
            prefix = words[0].partition("*")[0]
        elif each.name == "host" and words:
            host = words[0].replace("*", "www")
        else:
            conditional = True
    return prefix, host, conditional


def _listener(site: Segment, ways: Sequence[Lead], *, plain: bool) -> Listener:
    written = addresses(site)
    hosts = [_host(each) for each in written]
    has_tls = any(each.name == "tls" for each in site.block)
    tls = all(_expects_tls(each, has_tls=has_tls, plain=plain) for each in written)
    host = next((lead.host for lead in ways[:1] if lead.host), hosts[0].replace("*", "www"))
    pools = tuple(lead.pool for lead in ways)
    path = ways[0].prefix if ways else "/"
    return Listener(written[0], site.place, tuple(written), tls, pools, "" if "{" in host else host, path)


def _host(address: str) -> str:
    host = re.sub(r"^\w+://", "", address).partition("/")[0]
    return re.sub(r":(?:\d+(?:-\d+)?)?$", "", host)


def _expects_tls(address: str, *, has_tls: bool, plain: bool) -> bool:
    """Return whether Caddy serves TLS there. https://caddyserver.com/docs/automatic-https#activation"""
    if address.startswith("http://") or re.search(r":80$", address):
        return False
    if address.startswith("https://") or has_tls:
        return True
    return not plain and (bool(_host(address)) or address.endswith(":443"))


def _addresses(text: str) -> Iterator[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        yield text
        return
    yield from (f"{found['host']}{port}" for port in range(int(found["first"]), int(found["last"]) + 1))


def pool(lead: Lead) -> Pool:
    """Return the pool of a `reverse_proxy`. Its name is the site's, with the path that leads to it."""
    servers = [Server(each, each, word.place) for word, every in lead.upstreams for each in every]
    if lead.dynamic:
        text = ":".join(word.text for word in lead.dynamic.words[2:]) or lead.dynamic.text
        servers.append(Server(text, text, lead.dynamic.place))
    options = _options(lead.inner)
    return Pool(lead.pool, lead.proxy.place, tuple(servers), settings(options), pinned(options))


def _options(inner: Iterable[Segment]) -> Options:
    options: dict[str, tuple[Sequence[str], Place]] = {}
    methods: list[str] = []
    for each in inner:
        words = [word.text for word in each.words[1:]]
        options[each.name] = (words, each.place)
        if each.name == "transport":
            options |= {
                one.name: ([word.text for word in one.words[1:]], one.place)
                for one in each.block
                if one.name in _TRANSPORT and len(one.words) > 1
            }
        if each.name == "lb_retry_match":
            conditions = each.block or (Segment(each.words[1:], each.place),)
            named = [word.text for one in conditions if one.name == "method" for word in one.words[1:]]
            methods += named or ["GET", "POST", "PATCH"]
            options["lb_retry_methods"] = (methods, each.place)
    return options


def _unknown(lead: Lead) -> Iterator[Unknown]:
    for each in lead.inner:
        conditions = each.block or (Segment(each.words[1:], each.place),)
        special = each.name == "lb_retry_match" and any(one.name != "method" for one in conditions)
        known = each.name in KNOWN or each.name.startswith("@")
        if not known or special or each.name == "dynamic":
            yield Unknown(each.text, each.place)
        if each.name == "transport":
            for one in each.block:
                named = one.name in _TRANSPORT or _TRANSPORT_KNOWN.fullmatch(one.name)
                if not named or one.name in _LIMITS:
                    yield Unknown(one.text, one.place)
