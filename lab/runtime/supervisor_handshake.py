"""The messages between the supervisor and the `lab` command over their two pipes.

Supervisor → lab, on its stdout, one JSON object a line: any number of notices, then `ready` or `failed`.
Lab → supervisor, on its stdin: nothing while the lab is needed, or `detach` for a lab that is to outlive the command.
The end of that pipe without `detach`, whatever ended it, stops the lab.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

DETACH = b"detach\n"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something people should know, such as a port other than the usual one."""

    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Every process does its work. The same object is the content of `state.json`."""

    traffic: str
    admin: str
    chaos: str
    chaos_token: str
    supervisor: str
    supervisor_token: str
    pid: int
    admin_token: str = ""
    """Of changes through the balancer's admin API; empty if it has none."""
    balancer: str = "reroute"
    balancer_pid: int = 0
    balancer_log: str = ""
    host: str = ""
    """The Host header of requests through the balancer; empty: its address."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The lab did not come up; everything that was started has been stopped."""

    message: str
    next_step: str
    log_tail: tuple[str, ...] = ()


Message = Notice | Ready | Failed
_KINDS: dict[str, type[Message]] = {"notice": Notice, "ready": Ready, "failed": Failed}


def encode(message: Message) -> str:
    """One line of JSON, newline included."""
    return json.dumps({"kind": type(message).__name__.lower(), **asdict(message)}) + "\n"


def decode(line: str | bytes) -> Message:
    """The message in a line. Raises `ValueError` for anything else."""
    try:
        fields: dict[str, Any] = json.loads(line)
        return _KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a message of the supervisor: {line!r}") from error
