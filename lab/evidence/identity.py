"""Who is who: the chaos service names targets, the balancer names backends, replicas name themselves instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """One target, as the two others know it."""

    instance: str
    backends: tuple[str, ...]
    """Ids in the balancer; empty when it does not know the target (now)."""


def identify(targets: Iterable[Mapping[str, Any]], backends: Iterable[Mapping[str, Any]]) -> dict[str, Identity]:
    """Match `GET /targets` with `GET /backends`: by what the replica calls itself, by address, or by equal names.

    A restarted container may return with another address, and the balancer then gives it another id; its instance
    name stays. Hence identities are taken again whenever something was healed.
    """
    known = [*backends]
    return {
        target["name"]: Identity(target["instance"], tuple(each["id"] for each in known if _is_same(target, each)))
        for target in targets
    }


def _is_same(target: Mapping[str, Any], backend: Mapping[str, Any]) -> bool:
    # Until a backend has reported its name, the balancer uses the id for it.
    if backend["name"] != backend["id"]:
        return bool(backend["name"] == target["instance"])
    return backend["address"] in target["addresses"] or backend["id"] in {target["name"], target["instance"]}
