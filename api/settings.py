"""Settings of a replica from environment variables, checked at the start, with one line for each mistake."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from .errors import SettingsError

INSTANCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Valid names of an instance. The name is used as a file name and a header value, so it contains nothing to escape."""

SHORTEST_TOKEN = 16
"""Minimum length of a token in characters, the same as for the balancer's `admin.token`."""
FIRST_USER = 1 << 29
MOST_CONNECTIONS = 100_000
"""Upper limit of `API_MAX_CONNECTIONS`. An idle connection takes about 10 KiB."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


@dataclass(frozen=True, slots=True)
class Settings:
    """Configuration of one replica. `--help` prints the `meaning` of each field's variable."""

    host: str = field(default="127.0.0.1", metadata={"meaning": "address to listen on"})
    port: int = field(default=8000, metadata={"meaning": "port to listen on; 0: a free one, printed at the start"})
    instance: str = field(default="api", metadata={"meaning": "this replica's name; default: the host's name"})
    ledger_dir: Path = field(default=Path("ledger"), metadata={"meaning": "folder for the ledger of executed jobs"})
    keep_alive_s: float = field(default=75.0, metadata={"meaning": "how long an idle connection is kept"})
    """Longer than the balancer keeps an idle connection, so that the balancer always closes first. If the backend
    closed first, the balancer could send a request at the same moment and lose it."""
    head_timeout_s: float = field(default=10.0, metadata={"meaning": "time for the head of a request; then 408"})
    body_timeout_s: float = field(default=20.0, metadata={"meaning": "time without progress of a body; then 408"})
    max_connections: int = field(default=1000, metadata={"meaning": "maximum of open connections; then 503"})
    """Maximum number of open connections. It is below the usual limit of file descriptors (1,024), because beyond that
    `accept` fails."""
    shutdown_timeout_s: float = field(
        default=10.0, metadata={"meaning": "time limit for the requests in flight at a stop"}
    )
    own_user: bool = field(
        default=False, metadata={"meaning": "1: change from root to a user id of this instance only"}
    )
    prefix: str = field(default="", metadata={"meaning": "beginning of the path that calls may also have, such as /v1"})
    misbehave_token: str = field(
        default="", repr=False, metadata={"meaning": "bearer token of PUT /misbehave; without a token, it is refused"}
    )
    misbehave_token_file: Path | None = field(
        default=None, metadata={"meaning": "file with that token instead, read at each order"}
    )
    misbehave_token_dir: Path | None = field(
        default=None, metadata={"meaning": "instead: folder that gets a new token of this replica at each start"}
    )


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the `API_*` variables. Raise SettingsError with the variable, its value and what is allowed."""
    default = Settings()
    return Settings(
        host=environ.get("API_HOST", default.host),
        port=_port(environ, "API_PORT", default.port),
        instance=_instance(environ),
        ledger_dir=Path(environ.get("API_LEDGER_DIR", str(default.ledger_dir))),
        keep_alive_s=_duration(environ, "API_KEEP_ALIVE", default.keep_alive_s),
        head_timeout_s=_duration(environ, "API_HEAD_TIMEOUT", default.head_timeout_s),
        body_timeout_s=_duration(environ, "API_BODY_TIMEOUT", default.body_timeout_s),
        max_connections=_count(environ, "API_MAX_CONNECTIONS", default.max_connections),
        shutdown_timeout_s=_duration(environ, "API_SHUTDOWN_TIMEOUT", default.shutdown_timeout_s),
        own_user=_switch(environ, "API_OWN_USER"),
        prefix=_prefix(environ, "API_PREFIX"),
        misbehave_token=_token(environ, "API_MISBEHAVE_TOKEN"),
        misbehave_token_file=_path(environ, "API_MISBEHAVE_TOKEN_FILE", "API_MISBEHAVE_TOKEN"),
        misbehave_token_dir=_path(
            environ, "API_MISBEHAVE_TOKEN_DIR", "API_MISBEHAVE_TOKEN", "API_MISBEHAVE_TOKEN_FILE"
        ),
    )


def user_of(instance: str) -> int:
    """Return the user id of an instance, a hash of its name.

    It is far above the ids that hosts assign, and below 2³¹. The probability that two of ten instances share an id is
    45 in 2³⁰.
    """
    return FIRST_USER + int.from_bytes(hashlib.sha256(instance.encode()).digest()[:4]) % (1 << 30)


def variables() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of each variable."""
    default = from_environment({})
    for each in fields(Settings):
        value = getattr(default, each.name)
        shown = f"{value:g}s" if isinstance(value, float) else str(value or "")
        yield f"API_{each.name.removesuffix('_s').upper()}", shown, each.metadata["meaning"]


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, str(default))
    if not (value.isascii() and value.isdigit() and int(value) <= 65535):
        raise SettingsError(f"{name}={value!r}: expected a port number, 0 to 65535")
    return int(value)


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, str(default))
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_CONNECTIONS):
        raise SettingsError(f"{name}={value!r}: expected a number, 1 to {MOST_CONNECTIONS}")
    return int(value)


def _instance(environ: Mapping[str, str]) -> str:
    value = environ.get("API_INSTANCE") or socket.gethostname()
    if not INSTANCE_NAME.fullmatch(value):
        raise SettingsError(f"API_INSTANCE={value!r}: expected 1 to 64 of A-Z a-z 0-9 . _ - (a letter or digit first)")
    return value


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "0"
    if value not in ("0", "1"):
        raise SettingsError(f"{name}={value!r}: expected 0 or 1")
    return value == "1"


def _prefix(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if re.fullmatch(r"(?:/[^/?#\s]+)*", value) is None:
        raise SettingsError(f"{name}={value!r}: expected a path without a slash at its end, such as /v1")
    return value


def _token(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if value and len(value) < SHORTEST_TOKEN:
        raise SettingsError(f"{name}: expected {SHORTEST_TOKEN} characters or more")
    return value


def _path(environ: Mapping[str, str], name: str, *unless: str) -> Path | None:
    value = environ.get(name, "")
    for other in unless:
        if value and environ.get(other):
            raise SettingsError(f"{name}={value!r}: expected nothing, because {other} is set")
    return Path(value) if value else None


def _duration(environ: Mapping[str, str], name: str, default: float) -> float:
    """Return seconds. A number without a unit is in seconds."""
    value = environ.get(name)
    if value is None:
        return default
    match = _DURATION.fullmatch(value.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise SettingsError(f"{name}={value!r}: expected a duration above zero such as 75s, 500ms or 1m")
    return seconds
