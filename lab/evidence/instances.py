"""Replaces what responses say about their backend by the instance name of the target that it means.

`history.jsonl` keeps the values as they were received, such as an address or a container id. Their meaning follows from
what the lab recorded about its targets before and after the faults (`lab.identity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..identity import target_of
from .events import Events
from .history import Ending, History


def name_instances(history: History, events: Events) -> None:
    """Change the `instance` of all requests from the received value to the instance name that it means.

    A value that means no target, or not the same one before and after the faults, is kept.
    """
    instances = {name: str(row.get("instance")) for name, row in _targets(events)}
    known = _known_names(events)
    values = {request.ending.instance for request in history.requests} - {None}
    meant = {value: instances.get(target_of(value, known) or "", value) for value in values if value is not None}
    if all(value == name for value, name in meant.items()):
        return
    named: dict[Ending, Ending] = {}
    for request in history.requests:
        ending = request.ending
        if ending.instance is not None and ending not in named:
            named[ending] = msgspec.structs.replace(ending, instance=meant[ending.instance])
        request.ending = named.get(ending, ending)


def _known_names(events: Events) -> dict[str, str]:
    """Return the target that each value means, without values that have meant several."""
    found: dict[str, set[str]] = {}
    for name, row in _targets(events):
        for value in (row.get("instance"), *_list(row.get("names"))):
            found.setdefault(str(value), set()).add(name)
    started = events.last("lab", "run_started")
    declared = started.data.get("names") if started else None
    known = {value: min(names) for value, names in found.items() if len(names) == 1}
    if isinstance(declared, Mapping):
        known |= {str(value): str(name) for value, name in declared.items()}
    return known


def _targets(events: Events) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for event in events.of("lab", "targets"):
        targets = event.data.get("targets")
        for name, row in targets.items() if isinstance(targets, Mapping) else ():
            if isinstance(row, Mapping):
                yield name, row


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
