"""Parameters of `server`, `server-template` and `default-server` lines.

Source: https://docs.haproxy.org/2.6/configuration.html#5.2
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...errors import BadArgumentsError
from .syntax import Line, Section

TLS: Final = frozenset(
    {
        *("ssl", "no-ssl", "check-ssl", "no-check-ssl", "verify", "verifyhost", "ca-file", "crl-file", "crt", "sni"),
        *("check-sni", "alpn", "check-alpn", "npn", "ciphers", "ciphersuites", "ssl-min-ver", "ssl-max-ver"),
        *("ssl-reuse", "no-ssl-reuse", "tls-tickets", "no-tls-tickets", "allow-0rtt", "force-sslv3", "force-tlsv10"),
        *("force-tlsv11", "force-tlsv12", "force-tlsv13", "no-sslv3", "no-tlsv10", "no-tlsv11", "no-tlsv12"),
        *("no-tlsv13", "proto", "check-proto", "ws"),
    }
)
PROXY_PROTOCOL: Final = frozenset(
    {
        *("send-proxy", "no-send-proxy", "send-proxy-v2", "no-send-proxy-v2", "send-proxy-v2-ssl", "check-send-proxy"),
        *("no-send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "no-send-proxy-v2-ssl-cn", "proxy-v2-options"),
        *("no-check-send-proxy",),
    }
)
NAMES: Final = frozenset({"resolvers", "init-addr", "resolve-prefer", "resolve-opts", "resolve-net"})
ELSEWHERE: Final = frozenset(
    {"source", "usesrc", "interface", "namespace", "socks4", "check-via-socks4", "redir", "port", "addr"}
)
AGENT: Final = frozenset({"agent-check", "agent-addr", "agent-port", "agent-inter", "agent-send"})
_ONE_VALUE: Final = frozenset(
    {
        *("addr", "agent-port", "agent-send", "agent-inter", "agent-addr", "alpn", "ca-file", "check-alpn"),
        *("check-proto", "check-sni", "ciphers", "ciphersuites", "cookie", "crl-file", "crt", "downinter"),
        *("error-limit", "fall", "fastinter", "hash-key", "id", "init-addr", "inter", "interface", "log-proto"),
        *("maxconn", "maxqueue", "max-reuse", "minconn", "namespace", "npn", "observe", "on-error", "on-marked-down"),
        *("on-marked-up", "pool-low-conn", "pool-max-conn", "pool-purge-delay", "port", "proto", "proxy-v2-options"),
        *("redir", "resolve-net", "resolve-opts", "resolve-prefer", "resolvers", "rise", "shard", "slowstart", "sni"),
        *("socks4", "source", "ssl-max-ver", "ssl-min-ver", "tcp-ut", "track", "usesrc", "verify", "verifyhost"),
        *("weight", "ws"),
    }
)
_TEMPLATE_MOST: Final = 1000
"""Upper limit of the number of servers in a template. It is more than a lab can start, so a larger range is a
mistake."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, and the words of the line that have it."""

    line: Line
    first: int
    last: int

    @property
    def name(self) -> str:
        return self.line[self.first]

    @property
    def value(self) -> str:
        """Its value; empty for a flag. Raise `BadArgumentsError` if an environment variable in it is not set."""
        return self.line.known(self.last) if self.last > self.first else ""


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A `server` or `server-template` line with the parameters that apply to it, those of `default-server` included."""

    line: Line
    names: tuple[str, ...]
    """Name of the server, or the names of all servers of a template."""
    at: int
    """Index of the address among the words."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """By name. If both `X` and `no-X` are given, only the later one is here."""

    @property
    def in_use(self) -> bool:
        """Whether requests go to it while all servers are well."""
        has = self.parameters
        return not ("disabled" in has or "backup" in has or ("weight" in has and has["weight"].value == "0"))


def servers(section: Section) -> list[ServerLine]:
    """Return the servers of a section. Raise `BadArgumentsError` for a template whose number cannot be read."""
    inherited: dict[str, Parameter] = {}
    for each in reversed(list(section.chain())[1:]):
        for line in each.own("default-server"):
            _merge(inherited, line, 1)
    found = []
    for line in section.lines:
        if line[0] == "default-server":
            _merge(inherited, line, 1)
        elif line[0] in {"server", "server-template"}:
            at = 2 if line[0] == "server" else 3
            if not line[at]:
                raise BadArgumentsError(f"{line.place()}: {line[0]} has no address", "haproxy -c says more")
            own = dict(inherited)
            _merge(own, line, at + 1)
            found.append(ServerLine(line, _names(line), at, own))
    return found


def parameters(line: Line, start: int) -> Iterator[Parameter]:
    """Yield the parameters from the word at `start` on."""
    index = start
    while index < len(line.words):
        last = min(index + (line[index] in _ONE_VALUE), len(line.words) - 1)
        yield Parameter(line, index, last)
        index = last + 1


def _merge(into: dict[str, Parameter], line: Line, start: int) -> None:
    for each in parameters(line, start):
        opposite = each.name[3:] if each.name.startswith("no-") else f"no-{each.name}"
        into.pop("disabled" if each.name == "enabled" else opposite, None)
        into[each.name] = each


def _names(line: Line) -> tuple[str, ...]:
    if line[0] == "server":
        return (line[1],)
    span = re.fullmatch(r"(?:(\d+)-)?(\d+)", line.known(2))
    first, last = (int(span[1] or 1), int(span[2])) if span else (1, 0)
    if not first <= last < first + _TEMPLATE_MOST:
        raise BadArgumentsError(f"{line.place()}: {line[2]!r} is no number of servers", "such as 5, or 1-5")
    return tuple(f"{line[1]}{number}" for number in range(first, last + 1))
