"""Pure functions from the balancer's state to the JSON of the admin API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..config.units import Address
from ..core.backend import Backend, State


class Shown(Protocol):
    """The part of the balancer that the views read."""

    @property
    def backends(self) -> Sequence[Backend]:
        """Return all known backends."""

    @property
    def policy(self) -> str:
        """Return the name of the current policy."""

    @property
    def panic(self) -> bool:
        """Return whether no backend is usable."""


def backends(
    shown: Shown, in_flight: Mapping[str, int], now: float, held: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the response of `GET /backends`."""
    listed = [backend(one, in_flight, now, held) for one in shown.backends]
    return {"backends": listed, "policy": shown.policy, "panic": shown.panic}


def backend(
    one: Backend, in_flight: Mapping[str, int], now: float, held: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the JSON of one backend.

    `in_flight` has the number of attempts by id, `held` the latest time of removal of each backend that discovery no
    longer names, by id. Times are in seconds (`_s`) or milliseconds (`_ms`). `latency_ms` is null before the first
    response, `leaves_in_s` if the backend is not held.
    """
    leaves = held.get(one.id) if held else None
    return {
        "id": one.id,
        "name": one.name,
        "address": str(Address(one.host, one.port)),
        "state": one.state.value,
        "since_s": round(now - one.since, 3),
        "suspected": one.suspected,
        "weight": one.weight,
        "effective_weight": round(one.effective_weight, 6),
        "leaves_in_s": None if leaves is None else round(max(0.0, leaves - now), 3),
        "in_flight": in_flight.get(one.id, 0),
        "latency_ms": round(one.latency_mean * 1000, 3) or None,
        "last_probe": last_probe(one, now),
    }


def last_probe(one: Backend, now: float) -> dict[str, Any] | None:
    """Return the result of the last probe, or None before the first one."""
    probe = one.last_probe
    if probe is None:
        return None
    return {
        "passed": probe.passed,
        "failure": probe.failure or None,
        "took_ms": round(probe.took * 1000, 3),
        "ago_s": round(now - probe.at, 3),
    }


def unready(shown: Shown) -> str:
    """Return why the balancer should get no traffic yet, or an empty string."""
    unprobed = [one.id for one in shown.backends if one.last_probe is None and one.state is State.UNKNOWN]
    if unprobed:
        return f"not probed yet: {', '.join(unprobed)}"
    if not any(one.state is State.UP for one in shown.backends):
        return "no backend is up"
    return ""
