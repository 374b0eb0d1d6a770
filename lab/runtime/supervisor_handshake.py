"""The messages between the supervisor and the `lab` command over their two pipes.

The supervisor writes one JSON object per line to its stdout: any number of notices, then `ready` or `failed`. The `lab`
command writes `detach` to the supervisor's stdin if the lab is to outlive the command, and otherwise nothing. If that
pipe ends without `detach`, for any reason, the lab is stopped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

DETACH = b"detach\n"


@dataclass(frozen=True, slots=True)
class Notice:
    """Information for the user, such as a port other than the usual one."""

    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Every process is ready. The same object is the content of `state.json`."""

    traffic: str
    admin: str
    chaos: str
    chaos_token: str
    supervisor: str
    supervisor_token: str
    pid: int
    admin_token: str = ""
    """Token for changes through the balancer's admin API; empty if it has none."""
    balancer: str = "reroute"
    balancer_pid: int = 0
    balancer_log: str = ""
    host: str = ""
    """Host header of requests through the balancer; empty: its address."""
    balancer_admin: str = ""
    """`host:port` of the admin port of a balancer other than ours; empty if it runs elsewhere."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The lab did not start; all its processes have been stopped."""

    message: str
    next_step: str
    log_tail: tuple[str, ...] = ()


Message = Notice | Ready | Failed
_KINDS: dict[str, type[Message]] = {"notice": Notice, "ready": Ready, "failed": Failed}


def encode(message: Message) -> str:
    """Return the message as one line of JSON, with newline."""
    return json.dumps({"kind": type(message).__name__.lower(), **asdict(message)}) + "\n"


def decode(line: str | bytes) -> Message:
    """Return the message in a line. Raise `ValueError` for any other text."""
    try:
        fields: dict[str, Any] = json.loads(line)
        return _KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a message of the supervisor: {line!r}") from error
