"""Perform the steps of a plan that are not faults: what an operator does to a lab, on schedule, recorded and undone.

An action that may explain a bad request (the balancer stopped, a backend restarted or removed) is recorded like a
fault. A drain, a change of weight or a new backend is not: no request may fail because of those.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ..errors import EnvironmentProblemError, LabError
from ..evidence.identity import Identity, identify
from ..evidence.record import BALANCER
from ..evidence.recorder import Recorder
from ..services.balancer_view import BalancerView
from ..services.clients import BalancerClient, ChaosClient, Json
from ..services.endpoints import Endpoints, RuntimeControl
from ..services.polling import until
from .preflight import Readiness, wait_until_all_up
from .run_metadata import Injection

POLL_S = 0.02
UP_WITHIN_S = 20.0
IDLE_WITHIN_S = 5.0
"""Longest wait for a drained backend to finish its requests. It is then restarted anyway, as a deployment would do."""


@dataclass(slots=True)
class OperatorActions:
    """Perform the operator actions of one run."""

    balancer: BalancerView
    chaos: ChaosClient
    endpoints: Endpoints
    ready: Readiness
    recorder: Recorder
    inject: Callable[[Injection], Awaitable[None]]
    """Injects a fault and waits until it is healed."""
    injections: list[Injection]
    """Everything that is recorded like a fault; this class appends to it."""

    async def perform(self, injection: Injection) -> None:
        """Perform one action, wait for its duration, and undo it.

        If the action is refused, the refusal is recorded and the run becomes `unknown`; it is not aborted.
        """
        step = injection.step
        began = self.recorder.clock.now()
        data: Json = {"step": injection.index, "act": step.act, "target": injection.target, "began_at": round(began, 6)}
        try:
            match step.act:
                case "drain" | "maint":
                    await self._change_and_undo(injection, {"state": step.act}, {"state": "up"})
                case "weight":
                    await self._change_and_undo(injection, {"weight": step.value}, {"weight": self._weight(injection)})
                case "rolling_restart":
                    await self._rolling_restart(injection)
                case "scale":
                    await self._scale(injection)
                case _:
                    await self._stop_and_start_balancer(injection)
        except LabError as error:
            data["error"] = str(error)
        self.recorder.note("act", {**data, "ended_at": round(self.recorder.clock.now(), 6)})

    # --- through the balancer's admin API ---
    async def _change_and_undo(self, injection: Injection, change: Json, undo: Json) -> None:
        ids = injection.before.backends
        force = {"force": True} if injection.step.allow_last else {}
        try:
            for backend_id in ids:
                await self._adjust(backend_id, {**change, **force})
            await asyncio.sleep(injection.step.duration_s)
        finally:
            for backend_id in ids:
                await self._adjust(backend_id, undo)

    async def _adjust(self, backend_id: str, change: Json) -> None:
        assert isinstance(self.balancer, BalancerClient), "lab.run.feasibility has checked this"
        await self.balancer.adjust(backend_id, change)

    def _weight(self, injection: Injection) -> float:
        weights = {each["id"]: float(each.get("weight", 1.0)) for each in self.ready.backends}
        return weights[injection.before.backends[0]]

    # --- one backend after another ---
    async def _rolling_restart(self, injection: Injection) -> None:
        for target in sorted(self.ready.identities):
            identity = (await self._identities())[target]
            if injection.step.value:
                await self._drain(identity)
            step = replace(injection.step, act="", fault="restart", target=target)
            restart = Injection(injection.index, step, target, identity, {})
            self.injections.append(restart)
            await self.inject(restart)
            if injection.step.value:
                await self._end_drain(identity)
            await wait_until_all_up(self.balancer, self.chaos, UP_WITHIN_S)

    async def _drain(self, identity: Identity) -> None:
        for backend_id in identity.backends:
            await self._adjust(backend_id, {"state": "drain"})

        async def is_idle() -> bool:
            backends = await self.balancer.backends()
            return not any(each["in_flight"] for each in backends if each["id"] in identity.backends)

        await until(is_idle, IDLE_WITHIN_S, POLL_S)

    async def _end_drain(self, identity: Identity) -> None:
        # A restarted container may have a new address. It is then a new backend, which has never been drained.
        known = {each["id"] for each in await self.balancer.backends()}
        for backend_id in known & {*identity.backends}:
            await self._adjust(backend_id, {"state": "up"})

    # --- through the runtime ---
    @property
    def _control(self) -> RuntimeControl:
        assert self.endpoints.runtime_control is not None, "lab.run.feasibility has checked this"
        return self.endpoints.runtime_control

    async def _scale(self, injection: Injection) -> None:
        before, wanted = len(self.ready.identities), int(injection.step.value)
        began = time.monotonic()
        try:
            await self._resize(injection, wanted)
            await asyncio.sleep(max(0.0, injection.step.duration_s - (time.monotonic() - began)))
        finally:
            await self._resize(injection, before)

    async def _resize(self, injection: Injection, count: int) -> None:
        """Run `count` backends.

        Backends that are removed are recorded like a fault: requests and health checks may still reach them before
        the balancer learns that they are gone.
        """
        known = await self._identities()
        began = self._chaos_now()
        await self._control.scale(count)
        await self._wait_for_backends(count)
        removed = set(known) - {target["name"] for target in await self.chaos.targets()}
        for name in sorted(removed):
            step = replace(injection.step, act="leave", target=name)
            record = self._record(began, self._chaos_now(), "scaled down", bit=True, evidence="it is gone")
            self.injections.append(Injection(injection.index, step, name, known[name], record))

    async def _wait_for_backends(self, count: int) -> None:
        backends: list[Json] = []

        async def all_used() -> bool:
            backends[:] = await self.balancer.backends()
            return len(backends) == count and all(str(each["state"]).lower() == "up" for each in backends)

        if not await until(all_used, UP_WITHIN_S, POLL_S):
            states = ", ".join(f"{each['id']} {each['state']}" for each in backends)
            raise EnvironmentProblemError(
                f"the balancer did not use {count} backends within {UP_WITHIN_S:g} s: {states}"
            )

    async def _stop_and_start_balancer(self, injection: Injection) -> None:
        kill = injection.step.act == "kill_balancer"
        injection.before = Identity(BALANCER, ())
        injection.record = self._record(self._chaos_now(), None, "SIGKILL" if kill else "SIGTERM, start")
        self.injections.append(injection)
        try:
            await self._control.stop_balancer(kill=kill)
            gone = not await self._balancer_answers()
            injection.record |= {"bit": gone, "evidence": "its admin port does not answer" if gone else "it answers"}
            await asyncio.sleep(injection.step.duration_s)
        finally:
            injection.record["heal_started_mono"] = self._chaos_now()
            await self._control.start_balancer()
        if not await until(self._balancer_uses_a_backend, UP_WITHIN_S, POLL_S):
            raise EnvironmentProblemError(f"the balancer did not come back within {UP_WITHIN_S:g} s")
        injection.record["healed_mono"] = self._chaos_now()

    async def _balancer_answers(self) -> bool:
        with contextlib.suppress(EnvironmentProblemError):
            await self.balancer.clock()
            return True
        return False

    async def _balancer_uses_a_backend(self) -> bool:
        with contextlib.suppress(EnvironmentProblemError):
            return any(str(each["state"]).lower() == "up" for each in await self.balancer.backends())
        return False

    async def _identities(self) -> dict[str, Identity]:
        return identify(await self.chaos.targets(), await self.balancer.backends())

    def _record(
        self, injected: float, healed: float | None, mechanism: str, *, bit: bool | None = None, evidence: str = ""
    ) -> Json:
        """Return a record in the format of the chaos service."""
        times = {"requested_mono": injected, "injected_mono": injected, "heal_started_mono": healed}
        return {**times, "healed_mono": healed, "mechanism": mechanism, "bit": bit, "evidence": evidence}

    def _chaos_now(self) -> float:
        """Return the present time on the chaos service's monotonic clock, which fault records use."""
        return time.monotonic() + self.ready.chaos_clock.offset_s
