"""Faults injected by a test: verified when the call returns, and healed at the end of the test in any case."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp

from ..scenario.plan import PlannedStep
from ..scenario.units import parse_duration
from ..services.clients import ChaosClient
from ..services.endpoints import Endpoints
from .synchronous import run


class Faults:
    """The fixture `faults`: the chaos service of the lab."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._ours: list[str] = []

    @property
    def targets(self) -> list[str]:
        """Names of the backends that can be faulted."""
        return [str(each["name"]) for each in run(self._targets())]

    def inject(
        self,
        kind: str,
        target: str,
        *,
        duration: str,
        params: Mapping[str, str] | None = None,
        allow_last: bool = False,
    ) -> dict[str, Any]:
        """Inject and verify a fault; return its record (`id`, `bit`, `evidence`, …).

        `duration` has a unit (`5s`); the fault ends by itself after it. Raise FaultRefusedError with the service's
        reason, and ValueError for a duration without a unit.
        """
        step = PlannedStep(0.0, kind, target, 0.0, parse_duration(duration), dict(params or {}), allow_last)
        record = run(self._inject(step, target))
        self._ours.append(record["id"])
        return record

    @contextlib.contextmanager
    def active(self, kind: str, target: str, *, duration: str = "60s", **more: Any) -> Iterator[dict[str, Any]]:
        """Keep a fault active for a `with` block, at most for `duration`; yield its record."""
        record = self.inject(kind, target, duration=duration, **more)
        try:
            yield record
        finally:
            self.heal(record["id"])

    def heal(self, fault_id: str) -> None:
        """Heal a fault now. It is not an error if it is healed already."""
        run(self._heal(fault_id))

    def heal_all(self) -> None:
        """Heal all faults that were injected through this object."""
        while self._ours:
            self.heal(self._ours.pop())

    async def _targets(self) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session:
            return await ChaosClient(session, self._endpoints).targets()

    async def _inject(self, step: PlannedStep, target: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            return await ChaosClient(session, self._endpoints).inject(step, target)

    async def _heal(self, fault_id: str) -> None:
        async with aiohttp.ClientSession() as session:
            await ChaosClient(session, self._endpoints).heal(fault_id)
