"""Matches the three names of a backend: target (chaos service), id (balancer), instance (the backend itself)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """The backend ids and the instance name of one target."""

    instance: str
    backends: tuple[str, ...]
    """Ids in the balancer; empty while the balancer does not know the target."""


def identify(targets: Iterable[Mapping[str, Any]], backends: Iterable[Mapping[str, Any]]) -> dict[str, Identity]:
    """Return the identity of each target in `GET /targets`, by target name, from the answer to `GET /backends`.

    They are matched by instance name, by address, or by equal names. A restarted container may get another address, and
    then another id in the balancer, but it keeps its instance name. So match again after each healed fault.
    """
    known = [*backends]
    return {
        target["name"]: Identity(target["instance"], tuple(each["id"] for each in known if _is_same(target, each)))
        for target in targets
    }


def _is_same(target: Mapping[str, Any], backend: Mapping[str, Any]) -> bool:
    # Until a backend has reported its name, the balancer shows the id as its name.
    if backend["name"] != backend["id"]:
        return bool(backend["name"] == target["instance"])
    return backend["address"] in target["addresses"] or backend["id"] in {target["name"], target["instance"]}
