"""What somebody's file may not do in a lab: rewritten where that changes nothing that is measured, else refused.

The process is confined as well where the kernel allows it (`lab.processes.isolation`); this holds everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import BadArgumentsError
from .substitution import line_of

_NGINX_DAEMON: Final = re.compile(r"(?<![\w#.-])daemon(\s+)on(\s*;)")
_NGINX_WRITES: Final = re.compile(
    r"(?<![\w#.-])(pid|lock_file|access_log|error_log|proxy_cache_path|[a-z]+_temp_path)(\s+)(/[^\s;]+)"
)
_HAPROXY_WRITES: Final = re.compile(r"^([ \t]*(?:stats[ \t]+socket|pidfile)[ \t]+)(?:unix@)?(/\S+)", re.MULTILINE)
_DEVICES: Final = ("/dev/stdout", "/dev/stderr", "/dev/null")
_CADDY_OFF: Final = {"skip_install_trust": "", "auto_https": "off", "admin": "off"}
"""Global options: no certificate authority on this machine, no certificates for addresses that were plain HTTP in
production, no fixed admin port. The port that is listened on is also made its HTTP port: for any other Caddy wants
TLS."""

# Where each program names what it forwards to or checks: `address` is a host with or without a port, or a URL.
_FORWARDS: Final = {
    "haproxy": r"^[ \t]*server(?:-template)?[ \t]+\S+[ \t]+(?:[\d-]+[ \t]+)?(?P<address>\S+)",
    "nginx": r"(?<![\w$.-])(?:server|(?:proxy|grpc|fastcgi|uwsgi|scgi)_pass)\s+(?P<address>[^\s;{]+)\s*[^{;]*;",
    "envoy": r"""["']?\baddress["']?[ \t]*:[ \t]*["']?(?P<address>[\w.-]+)""",
    "traefik": r"""["']?\b(?:url|address)["']?[ \t]*[:=][ \t]*["']?(?P<address>[^\s"',}]+)""",
    "caddy": r"""^[ \t]*(?:reverse_proxy|to)[ \t]+(?P<address>[^\n{]+)|"dial"\s*:\s*"(?P<dial>[^"]+)""",
    "reroute": r"""["']?\baddress["']?[ \t]*:[ \t]*["']?(?P<other>[^\s"',}]+)""",
}
_COMMENT: Final = re.compile(r"^[ \t]*#.*$|[ \t]#.*$", re.MULTILINE)
_UPSTREAM: Final = re.compile(r"\bupstream\s+(\S+?)\s*\{")
_LOCAL: Final = re.compile(r"localhost|127(?:\.\d+){3}|0\.0\.0\.0|\*|::1?|0(?:\.0){0,3}|", re.IGNORECASE)
"""Hosts of this machine: what listens there is judged by the kernel's own tables once the program runs."""
_HOST: Final = re.compile(r"(?:\w+://)?(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:/]*))(?::(?P<port>\d+))?(?:/.*)?")


def keep_inside(program: str, text: str, values: Mapping[str, str], *, main: bool) -> str:
    """The text with everything that leaves the run's folder or the foreground turned off, or turned to that folder."""
    folder = Path(values["DIR"])
    match program:
        case "nginx":
            text = _NGINX_DAEMON.sub(r"daemon\1off\2", text)
            return _NGINX_WRITES.sub(lambda found: found[1] + found[2] + _inside(found[3], folder), text)
        case "haproxy":
            return _HAPROXY_WRITES.sub(lambda found: found[1] + _inside(found[2], folder), text)
        case "caddy" if main:
            return _caddy_json(text) if _is_json(text) else _caddyfile(text, values["LISTEN_PORT"])
    return text


def refuse_strangers(program: str, texts: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Raise `BadArgumentsError` where one of the texts, each under its file's name, forwards to what is not the lab's.

    The error names file and line.
    """
    lab = {values[name] for name in values if re.fullmatch(r"LISTEN|ADMIN|BACKEND_\d+", name)}
    known = {address.rpartition(":")[0] for address in lab}
    known |= {name for text in texts.values() for name in _UPSTREAM.findall(text)}
    for where, text in texts.items():
        for line, address in forwards(program, text):
            found = _HOST.fullmatch(address)
            host = (found["host"] or found["v6"] or "") if found else ""
            if found is None or host in known or _LOCAL.fullmatch(host) or "$" in host:
                continue
            raise BadArgumentsError(
                f"{where}:{line}: {address} is not an address of the lab, which forwards to nobody else",
                f"--replace {address}=BACKEND_1 (to BACKEND_3), or take the line out of a copy of the file",
            )


def forwards(program: str, text: str) -> Iterator[tuple[int, str]]:
    """(line, address) of everything that the text forwards to; sockets of the file system are left out."""
    bare = _COMMENT.sub(lambda found: " " * len(found[0]), text)
    for match in re.finditer(_FORWARDS[program], bare, re.MULTILINE):
        for address in next(filter(None, match.groups()), "").split():
            if not address.startswith(("/", "unix", "abns@", "fd@", "@", "{", "$", "static", "dynamic")):
                yield line_of(text, match.start()), re.sub(r"^(?:ipv[46]@|tcp[46]?/)", "", address).rstrip('"')


def _inside(path: str, folder: Path) -> str:
    return (
        path
        if path in _DEVICES or Path(path).is_relative_to(folder)
        else f"{folder}/{path.strip('/').replace('/', '-')}"
    )


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _caddyfile(text: str, http_port: str) -> str:
    wanted = {**_CADDY_OFF, "http_port": http_port}
    start = re.match(r"(?:[ \t]*(?:#.*)?\n)*\{[ \t]*(?:#.*)?\n", text)
    if start is None:
        return "{\n" + "".join(f"\t{name} {value}\n" for name, value in wanted.items()) + "}\n" + text
    end = text.find("\n}", start.end())
    options = text[start.end() : end + 1] if end >= 0 else text[start.end() :]
    for name in wanted:
        options = re.sub(rf"^[ \t]*{name}\b[^\n{{]*(?:\{{[^}}]*\}})?[ \t]*\n", "", options, flags=re.MULTILINE)
    added = "".join(f"\t{name} {value}\n" for name, value in wanted.items())
    return text[: start.end()] + added + options + (text[end + 1 :] if end >= 0 else "")


def _caddy_json(text: str) -> str:
    raw: dict[str, Any] = json.loads(text)
    raw["admin"] = {"disabled": True}
    apps = raw.setdefault("apps", {})
    for server in apps.get("http", {}).get("servers", {}).values():
        server["automatic_https"] = {"disable": True}
    authorities = apps.setdefault("pki", {}).setdefault("certificate_authorities", {})
    authorities.setdefault("local", {})
    for authority in authorities.values():
        authority["install_trust"] = False
    return json.dumps(raw, indent=2) + "\n"
