"""The steps that are no faults: what operators do to a lab, done on schedule, recorded, and undone.

What may explain a bad request (the balancer gone, a backend restarted or leaving) is recorded like a fault; a drain, a
weight or a new backend is not: no request may suffer from those.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ..errors import EnvironmentProblemError, LabError
from ..evidence.identity import Identity, identify
from ..evidence.recorder import Recorder
from ..services.balancer_view import BalancerView
from ..services.clients import BalancerClient, ChaosClient, Json
from ..services.endpoints import Endpoints
from .preflight import Readiness, all_up
from .run_metadata import Injection

POLL_S = 0.02
UP_WITHIN_S = 20.0
IDLE_WITHIN_S = 5.0
"""How long a drained backend may still be busy; then it is restarted all the same, as a deployment would."""
BALANCER = "lb"
"""What the balancer is called as a target."""


@dataclass(slots=True)
class Acts:
    """Performs them in one run."""

    balancer: BalancerView
    chaos: ChaosClient
    endpoints: Endpoints
    ready: Readiness
    recorder: Recorder
    inject: Callable[[Injection], Awaitable[None]]
    """Injects a fault and follows it until it is healed."""
    injections: list[Injection]
    """Gets everything that is recorded like a fault."""

    async def perform(self, injection: Injection) -> None:
        """Do it, wait, undo it. A refusal is recorded; the run is then unknown, not aborted."""
        step = injection.step
        began = self.recorder.clock.now()
        data: Json = {"step": injection.index, "act": step.act, "target": injection.target, "began_at": round(began, 6)}
        try:
            match step.act:
                case "drain" | "maint":
                    await self._adjusted(injection, {"state": step.act}, {"state": "up"})
                case "weight":
                    await self._adjusted(injection, {"weight": step.value}, {"weight": self._weight(injection)})
                case "rolling_restart":
                    await self._rolling_restart(injection)
                case "scale":
                    await self._scale(injection)
                case _:
                    await self._balancer_gone(injection)
        except LabError as error:
            data["error"] = str(error)
        self.recorder.note("act", {**data, "ended_at": round(self.recorder.clock.now(), 6)})

    # --- the admin API ---
    async def _adjusted(self, injection: Injection, change: Json, back: Json) -> None:
        ids = injection.before.backends
        force = {"force": True} if injection.step.allow_last else {}
        try:
            for backend_id in ids:
                await self._adjust(backend_id, {**change, **force})
            await asyncio.sleep(injection.step.duration_s)
        finally:
            for backend_id in ids:
                await self._adjust(backend_id, back)

    async def _adjust(self, backend_id: str, change: Json) -> None:
        assert isinstance(self.balancer, BalancerClient), "checked before the run"
        await self.balancer.adjust(backend_id, change)

    def _weight(self, injection: Injection) -> float:
        known = {each["id"]: float(each.get("weight", 1.0)) for each in self.ready.backends}
        return known[injection.before.backends[0]]

    # --- one after another ---
    async def _rolling_restart(self, injection: Injection) -> None:
        for target in sorted(self.ready.identities):
            identity = identify(await self.chaos.targets(), await self.balancer.backends())[target]
            if injection.step.value:
                await self._drained(identity)
            step = replace(injection.step, act="", fault="restart", target=target)
            one = Injection(injection.index, step, target, identity, {})
            self.injections.append(one)
            await self.inject(one)
            if injection.step.value:
                await self._back(identity)
            await all_up(self.balancer, self.chaos, UP_WITHIN_S)

    async def _drained(self, identity: Identity) -> None:
        for backend_id in identity.backends:
            await self._adjust(backend_id, {"state": "drain"})
        await self._wait(lambda rows: all(not row["in_flight"] for row in rows if row["id"] in identity.backends))

    async def _back(self, identity: Identity) -> None:
        # A restarted container may have another address, and then it is another backend, which is not drained.
        known = {row["id"] for row in await self.balancer.backends()}
        for backend_id in known & {*identity.backends}:
            await self._adjust(backend_id, {"state": "up"})

    async def _wait(self, holds: Callable[[list[Json]], bool]) -> None:
        until = time.monotonic() + IDLE_WITHIN_S
        while not holds(await self.balancer.backends()) and time.monotonic() < until:  # noqa: ASYNC110 - remote state
            await asyncio.sleep(POLL_S)

    # --- the runtime's levers ---
    async def _scale(self, injection: Injection) -> None:
        before, wanted = len(self.ready.identities), int(injection.step.value)
        began = time.monotonic()
        try:
            await self._resized(injection, wanted)
            await asyncio.sleep(max(0.0, injection.step.duration_s - (time.monotonic() - began)))
        finally:
            await self._resized(injection, before)

    async def _resized(self, injection: Injection, count: int) -> None:
        """Those that leave are recorded: their checks may fail before the balancer hears that they are gone."""
        assert self.endpoints.levers is not None, "checked before the run"
        known = identify(await self.chaos.targets(), await self.balancer.backends())
        began = self._foreign_now()
        await self.endpoints.levers.scale(count)
        await self._counted(count)
        left = set(known) - {target["name"] for target in await self.chaos.targets()}
        for name in sorted(left):
            step = replace(injection.step, act="leave", target=name)
            record = self._record(began, self._foreign_now(), "scaled down", bit=True, evidence="it is gone")
            self.injections.append(Injection(injection.index, step, name, known[name], record))

    async def _counted(self, count: int) -> None:
        until = time.monotonic() + UP_WITHIN_S
        while True:
            rows = await self.balancer.backends()
            if len(rows) == count and all(str(row["state"]).lower() == "up" for row in rows):
                return
            if time.monotonic() > until:
                states = ", ".join(f"{row['id']} {row['state']}" for row in rows)
                raise EnvironmentProblemError(f"the balancer did not get to use {count} backends: {states}")
            await asyncio.sleep(POLL_S)

    async def _balancer_gone(self, injection: Injection) -> None:
        levers = self.endpoints.levers
        assert levers is not None, "checked before the run"
        kill = injection.step.act == "kill_balancer"
        injection.before = Identity(BALANCER, ())
        injection.record = self._record(self._foreign_now(), None, "SIGKILL" if kill else "SIGTERM, start")
        self.injections.append(injection)
        try:
            await levers.stop_balancer(kill=kill)
            gone = await self._is_gone()
            injection.record |= {"bit": gone, "evidence": "its admin port does not answer" if gone else "it answers"}
            await asyncio.sleep(injection.step.duration_s)
        finally:
            injection.record["heal_started_mono"] = self._foreign_now()
            await levers.start_balancer()
        await self._answers()
        injection.record["healed_mono"] = self._foreign_now()

    async def _is_gone(self) -> bool:
        with contextlib.suppress(EnvironmentProblemError):
            await self.balancer.clock()
            return False
        return True

    async def _answers(self) -> None:
        until = time.monotonic() + UP_WITHIN_S
        while True:
            with contextlib.suppress(EnvironmentProblemError):
                if any(str(row["state"]).lower() == "up" for row in await self.balancer.backends()):
                    return
            if time.monotonic() > until:
                raise EnvironmentProblemError(f"the balancer did not come back within {UP_WITHIN_S:g} s")
            await asyncio.sleep(POLL_S)

    def _record(
        self, injected: float, healed: float | None, mechanism: str, *, bit: bool | None = None, evidence: str = ""
    ) -> Json:
        """In the form of the chaos service's own records."""
        times = {"requested_mono": injected, "injected_mono": injected, "heal_started_mono": healed}
        return {**times, "healed_mono": healed, "mechanism": mechanism, "bit": bit, "evidence": evidence}

    def _foreign_now(self) -> float:
        """Now, on the clock that such records are in."""
        return time.monotonic() + self.ready.chaos_clock.offset_s
