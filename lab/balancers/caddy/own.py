"""Users' own configuration files of Caddy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...errors import BadArgumentsError
from ..adapter import Command, OwnFiles, Program
from ..configuration import Configuration, Edit, Listener, Pool
from ..own_files import read
from ..tunables import Bounds, Tunable, Writes
from . import edits, json_files, reader, tunables

_OFF: Final = {"skip_install_trust": "", "auto_https": "off", "admin": "off"}
"""Global options: no certificate authority on this machine, no certificates for addresses that used plain HTTP in
production, no fixed admin port. The listening port also becomes Caddy's HTTP port, because Caddy expects TLS on any
other port."""


class CaddyFiles(OwnFiles):
    """A user's files are a Caddyfile or a JSON configuration."""

    forwards = r"""^[ \t]*(?:reverse_proxy|to)[ \t]+(?P<address>[^\n{]+)|"dial"\s*:\s*"(?P<dial>[^"]+)"""
    named = r"caddyfile.*"
    content = r'^[ \t]*reverse_proxy\b|"apps"[ \t]*:'
    spreads = "lb_policy round_robin"
    in_folder = ("Caddyfile", "*.json")

    def keep_inside(self, text: str, values: Mapping[str, str], *, main: bool) -> str:
        if not main:
            return text
        return _caddy_json(text) if _is_json(text) else _caddyfile(text, values["LISTEN_PORT"])

    def read(self, files: Sequence[Path]) -> Configuration:
        _refuse_broken_json(files[0])
        return json_files.read(files) if _is_json(read(files[0])) else reader.read(files)

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        if _is_json(next(iter(configuration.texts.values()))):
            return json_files.edits(configuration, listener, pool)
        return edits.edits(configuration, listener, pool)

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        return list(tunables.tunables(pool, bounds))

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        json = _is_json(next(iter(configuration.texts.values())))
        return tunables.edits(configuration, pool, writes, json=json)

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        file, folder = str(files[0]), str(files[0].parent)
        kind = () if files[0].suffix == ".json" else ("--adapter", "caddyfile")
        home = {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        check = Command((*program.argv, "validate", *kind, "--config", file), home)
        return check, Command((*program.argv, "run", *kind, "--config", file), home)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _refuse_broken_json(path: Path) -> None:
    text = read(path)
    try:
        json.loads(text)
    except ValueError as error:
        # A Caddyfile may begin with a brace too, but then a newline follows, and words without quotes.
        if isinstance(error, json.JSONDecodeError) and re.match(r'\s*\{\s*"', text):
            raise BadArgumentsError(f"{path.name}:{error.lineno}: {error.msg}", "correct the JSON") from error


def _caddyfile(text: str, http_port: str) -> str:
    wanted = {**_OFF, "http_port": http_port}
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
