"""Matches the three names of a backend: target (chaos service), id (balancer), instance (the backend itself)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNIDENTIFIED: Final = "unidentified"
"""State of each backend if the balancer forwards requests and no response says which backend gave it."""
_CONTAINER = re.compile(r"[0-9a-f]{12,64}", re.ASCII)
"""A container id, or enough of its beginning: Docker uses the first 12 digits as host name."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The backend ids and the instance name of one target."""

    instance: str
    backends: tuple[str, ...]
    """Ids in the balancer; empty while the balancer does not know the target."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """Other values that mean only this target if a response names its backend by them (`known_names`)."""


def identify(targets: Iterable[Mapping[str, Any]], backends: Iterable[Mapping[str, Any]]) -> dict[str, Identity]:
    """Return the identity of each target in `GET /targets`, by target name, from the answer to `GET /backends`.

    They are matched by instance name, by address, or by equal names. A restarted container may get another address, and
    then another id in the balancer, but it keeps its instance name. So match again after each healed fault.
    """
    known, rows = [*backends], [*targets]
    names: dict[str, list[str]] = {row["name"]: [] for row in rows}
    for value, name in known_names(rows, {}).items():
        names[name].append(value)
    return {
        row["name"]: Identity(
            row["instance"],
            tuple(each["id"] for each in known if _is_same(row, each)),
            tuple(names[row["name"]]),
        )
        for row in rows
    }


def in_use(backend: Mapping[str, Any]) -> bool:
    """Return whether the balancer uses this backend of `GET /backends`, as far as that can be seen."""
    return str(backend["state"]).lower() in {"up", UNIDENTIFIED}


def known_names(targets: Iterable[Mapping[str, Any]], declared: Mapping[str, str]) -> dict[str, str]:
    """Return which value in a response means which target, by its name: the names, ids and addresses of the target.

    `declared` (value → target) goes before everything else, and an instance name before the other values. A value that
    would mean several targets, such as an address that they share, means none.
    """
    rows = [*targets]
    others = [(value, row["name"]) for row in rows for value in _other_names(row)]
    shared = Counter(value for value, _ in {*others})
    return {
        **{value: name for value, name in others if shared[value] == 1},
        **{row["instance"]: row["name"] for row in rows if row["instance"]},
        **declared,
    }


def target_of(value: str, known: Mapping[str, str]) -> str | None:
    """Return the target that a value in a response means, or None. `known` is a result of `known_names`.

    A container id matches its own beginning of 12 digits or more.
    """
    if value in known or not _CONTAINER.fullmatch(value):
        return known.get(value)
    found = {
        name
        for each, name in known.items()
        if _CONTAINER.fullmatch(each) and (each.startswith(value) or value.startswith(each))
    }
    return found.pop() if len(found) == 1 else None


def _other_names(target: Mapping[str, Any]) -> Iterator[str]:
    yield target["name"]
    if container := target.get("container"):
        yield container
    for address in target.get("addresses", ()):
        yield address
        yield address.rpartition(":")[0].strip("[]")


def _is_same(target: Mapping[str, Any], backend: Mapping[str, Any]) -> bool:
    # Until a backend has reported its name, the balancer shows the id as its name.
    if backend["name"] != backend["id"]:
        return bool(backend["name"] == target["instance"])
    return backend["address"] in target["addresses"] or backend["id"] in {target["name"], target["instance"]}
